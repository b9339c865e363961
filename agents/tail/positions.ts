// The committed positions of one agent: read when it begins, and written with every flight. Files that are gone are forgotten long after, since
// records in the topics still refer to them; what they had contributed to the account is kept in the agent's own record.
import type { Clock } from '../../base/clock.ts';
import type { KafkaClient, OutgoingRecord } from '../../broker/client/contract.ts';
import { createPositionsTopic, PositionsLog } from '../../broker/client/positions-log.ts';
import {
  type AgentRecord,
  decodePositionsKey,
  decodePositionsRecord,
  encodePositionsValue,
  positionsKey,
  type PositionRecord,
  positionsTopic,
} from '../../broker/client/positions-record.ts';

/** Position records of files that ended are removed after this long: later than any line of theirs is likely to be kept. */
export const rememberMs = 30 * 86_400_000;

export interface Owner {
  instance: string;
  agent: string;
}

export class Positions {
  /** By file id. */
  readonly files: Map<string, PositionRecord>;
  /** True when this agent has never committed anything. */
  readonly isFirstStart: boolean;
  private readonly owner: Owner;
  private readonly agent: AgentRecord;
  private agentIsDirty: boolean;
  /** Files that ended: when, and what they count for. */
  private readonly ended = new Map<string, { atMs: number; topic: string; lines: number }>();

  private constructor(owner: Owner, files: Map<string, PositionRecord>, agent: AgentRecord | undefined, nowMs: number) {
    this.owner = owner;
    this.files = files;
    this.isFirstStart = agent === undefined && files.size === 0;
    this.agent = agent ?? { kind: 'agent', ...owner, startedMs: nowMs, forgottenLines: {} };
    this.agentIsDirty = agent === undefined;
    for (const record of files.values()) if (record.state !== 'live') this.addEnded(record);
  }

  /**
   * Reads what is committed. To be called after InitProducerId, when nothing of an earlier life can be added any more. `signal` ends it early.
   */
  static async read(client: KafkaClient, owner: Owner, clock: Clock, signal: AbortSignal): Promise<Positions> {
    await createPositionsTopic(client.admin());
    const files = new Map<string, PositionRecord>();
    let agent: AgentRecord | undefined;
    const log = new PositionsLog(client, { isolation: 'read_committed', clock }, (key, value) => {
      const names = decodePositionsKey(key);
      if (names?.instance !== owner.instance || names.agent !== owner.agent) return;
      const record = value === null ? undefined : decodePositionsRecord(key, value);
      if (record?.kind === 'agent') agent = record;
      else if (record === undefined) files.delete(names.file);
      else files.set(names.file, record);
    });
    try {
      await log.readToEnd(signal);
    } finally {
      await log.close();
    }
    return new Positions(owner, files, agent, clock.now());
  }

  /** Lines by topic that are committed so far. */
  totalLines(): Record<string, number> {
    const totals = { ...this.agent.forgottenLines };
    for (const { topic, lines } of this.files.values()) totals[topic] = (totals[topic] ?? 0) + lines;
    return totals;
  }

  /** Lines of a file that went to a topic it goes to no more. */
  addForgotten(topic: string, lines: number): void {
    this.agent.forgottenLines[topic] = (this.agent.forgottenLines[topic] ?? 0) + lines;
    this.agentIsDirty = true;
  }

  /** Whether there is something to write besides files. */
  get isDirty(): boolean {
    return this.agentIsDirty;
  }

  /** What to write with a flight: the files given, the agent's own record when it changed, and tombstones of files that are to be forgotten. */
  outgoing(records: readonly PositionRecord[], nowMs: number): OutgoingRecord[] {
    const { instance, agent } = this.owner;
    const outgoing: OutgoingRecord[] = [];
    for (const record of records) {
      const key = positionsKey(instance, agent, record.file);
      outgoing.push({ topic: positionsTopic, key, value: encodePositionsValue(record), timestampMs: nowMs });
      if (record.state !== 'live') this.addEnded(record);
      else this.ended.delete(record.file);
    }
    for (const [file, { atMs, topic, lines }] of this.ended) {
      if (nowMs - atMs < rememberMs) break;
      this.ended.delete(file);
      this.addForgotten(topic, lines);
      outgoing.push({
        topic: positionsTopic,
        key: positionsKey(instance, agent, file),
        value: null,
        timestampMs: nowMs,
      });
    }
    if (this.agentIsDirty) {
      const key = positionsKey(instance, agent, '');
      outgoing.push({ topic: positionsTopic, key, value: encodePositionsValue(this.agent), timestampMs: nowMs });
      this.agentIsDirty = false;
    }
    return outgoing;
  }

  private addEnded({ file, atMs, topic, lines }: PositionRecord): void {
    this.ended.set(file, { atMs, topic, lines });
  }
}
