// What moves on a cluster between two looks: lines that agents read, records that come into topics, records that groups take. Made of what every Kafka tells
// (offsets of partitions and groups), of the accounts that edges keep with their offsets, and of the positions that agents commit; for `tailrace top`.
import type { Clock } from '../base/clock.ts';
import type { KafkaClient, TopicMetadata } from '../broker/client/contract.ts';
import { PositionsLog } from '../broker/client/positions-log.ts';
import { type AgentRecord, decodePositionsRecord, type PositionRecord } from '../broker/client/positions-record.ts';
import { type Account, addAccount, decodeAccount, emptyAccount } from './account.ts';

/** Rates are per second, undefined at the first look. */
type Rate = number | undefined;

export interface AgentTraffic {
  agent: string;
  instance: string;
  host: string;
  /** That it follows now. */
  files: number;
  /** Since it was first run. */
  lines: number;
  linesPerSecond: Rate;
  bytesPerSecond: Rate;
}

export interface TopicTraffic {
  topic: string;
  partitions: number;
  /** Offsets that it holds. */
  offsets: number;
  perSecond: Rate;
  /** Partitions that nobody leads, or that did not answer. */
  offline: number;
  /** Partitions of which replicas are behind. */
  underReplicated: number;
}

export interface GroupTraffic {
  group: string;
  state: string;
  members: number;
  /** Offsets below the last stable ones that are not decided; undefined when partitions did not answer. */
  lag: number | undefined;
  perSecond: Rate;
  /** Until the lag is none, if all goes on as it does; undefined when it does not shrink. */
  caughtUpInSeconds: number | undefined;
  /** Of edges: what became of the records that they have read, since they were first run. */
  account: Account | undefined;
}

export interface Traffic {
  atMs: number;
  brokers: number;
  agents: AgentTraffic[];
  topics: TopicTraffic[];
  groups: GroupTraffic[];
}

/** A partition that does not answer for so long is offline. */
const offlineMs = 500;

interface Offsets {
  starts: ReadonlyMap<number, number>;
  ends: ReadonlyMap<number, number>;
}

/** What was counted at a look, to be subtracted at the next. */
interface Counts {
  atMs: number;
  values: Map<string, number>;
}

/** Looks again and again. */
export class TrafficWatch {
  private readonly client: KafkaClient;
  private readonly clock: Clock;
  private readonly positions: PositionsLog;
  private readonly files = new Map<string, PositionRecord>();
  private readonly agents = new Map<string, AgentRecord>();
  private before: Counts | undefined;
  private now: Counts = { atMs: 0, values: new Map() };

  constructor(client: KafkaClient, clock: Clock) {
    this.client = client;
    this.clock = clock;
    const options = { isolation: 'read_committed' as const, clock };
    this.positions = new PositionsLog(client, options, (key, value) => this.take(key, value));
  }

  /** Throws TailraceError when the cluster cannot be reached. */
  async look(signal?: AbortSignal): Promise<Traffic> {
    const admin = this.client.admin();
    await this.positions.readToEnd(signal);
    const [brokers, topics, groups] = await Promise.all([admin.brokers(), admin.topics(), admin.listGroups()]);
    const shown = topics.filter(({ name, isInternal }) => !isInternal && !name.startsWith('__'));
    const offsets = new Map(
      await Promise.all(topics.map(async ({ name }) => [name, await this.offsetsOf(name)] as const)),
    );
    this.before = this.now.values.size === 0 ? undefined : this.now;
    this.now = { atMs: this.clock.monotonicMs(), values: new Map() };
    return {
      ...{ atMs: this.clock.now(), brokers: brokers.length, agents: this.agentTraffic() },
      topics: shown
        .map((topic) => this.topicTraffic(topic, offsets.get(topic.name)!))
        .sort(byName(({ topic }) => topic)),
      groups: (await Promise.all(groups.map(({ groupId }) => this.groupTraffic(groupId, offsets)))).sort(
        byName(({ group }) => group),
      ),
    };
  }

  close(): Promise<void> {
    return this.positions.close();
  }

  private async offsetsOf(topic: string): Promise<Offsets> {
    const within = { withinMs: offlineMs };
    const admin = this.client.admin();
    const [starts, ends] = await Promise.all([
      admin.offsets(topic, 'earliest', within),
      admin.offsets(topic, 'latest-stable', within),
    ]);
    return { starts, ends };
  }

  /** How much more than at the last look there is, per second: never below 0, for what is counted may be forgotten. */
  private rate(what: string, value: number): Rate {
    const { before, now } = this;
    now.values.set(what, value);
    const last = before?.values.get(what);
    if (before === undefined) return undefined;
    return (Math.max(0, value - (last ?? value)) * 1000) / Math.max(1, now.atMs - before.atMs);
  }

  private agentTraffic(): AgentTraffic[] {
    const owners = Map.groupBy([...this.files.values(), ...this.agents.values()], ({ instance, agent }) =>
      JSON.stringify([instance, agent]),
    );
    const traffic = [...owners].map(([key, records]): AgentTraffic => {
      const files = records.filter((record) => record.kind === 'file');
      const forgotten = records.flatMap((record) =>
        record.kind === 'agent' ? Object.values(record.forgottenLines) : [],
      );
      const lines = sum([...files.map((file) => file.lines), ...forgotten]);
      const rates = files.map(({ file, position }) => this.rate(`file ${file}`, position));
      const { agent, instance } = records[0]!;
      return {
        ...{ agent, instance, host: files.at(-1)?.host ?? '', lines },
        files: files.filter(({ state }) => state === 'live').length,
        linesPerSecond: this.rate(`agent ${key}`, lines),
        bytesPerSecond: this.before && sum(rates.map((rate) => rate ?? 0)),
      };
    });
    return traffic.sort(byName(({ agent, instance }) => `${agent} ${instance}`));
  }

  private topicTraffic({ name, partitions }: TopicMetadata, { starts, ends }: Offsets): TopicTraffic {
    const all = sum([...ends.values()]);
    return {
      ...{ topic: name, partitions: partitions.length, offsets: all - sum([...starts.values()]) },
      perSecond: this.rate(`topic ${name}`, all),
      offline: partitions.filter(({ partition, leader }) => leader < 0 || !ends.has(partition)).length,
      underReplicated: partitions.filter(({ replicas, inSyncReplicas }) => inSyncReplicas.length < replicas.length)
        .length,
    };
  }

  private async groupTraffic(group: string, offsets: ReadonlyMap<string, Offsets>): Promise<GroupTraffic> {
    const admin = this.client.admin();
    const [{ state, members }, committed] = await Promise.all([admin.describeGroup(group), admin.groupOffsets(group)]);
    let lag: number | undefined = 0;
    let reached = 0;
    let account: Account | undefined;
    for (const [topic, partitions] of committed) {
      const { starts, ends } = offsets.get(topic) ?? {};
      for (const [partition, { offset, metadata }] of partitions) {
        reached += offset;
        const end = ends?.get(partition);
        const waiting =
          end === undefined ? undefined : Math.max(0, end - Math.max(offset, starts?.get(partition) ?? 0));
        lag = lag === undefined || waiting === undefined ? undefined : lag + waiting;
        const more = decodeAccount(metadata);
        if (more !== undefined) addAccount((account ??= emptyAccount()), more);
      }
    }
    const perSecond = this.rate(`group ${group}`, reached);
    const caughtUpInSeconds = lag === undefined ? undefined : this.secondsUntilNone(`lag ${group}`, lag);
    return { group, state, members: members.length, lag, perSecond, caughtUpInSeconds, account };
  }

  /** When what shrinks will be nothing; undefined when it does not. */
  private secondsUntilNone(what: string, value: number): number | undefined {
    const { before, now } = this;
    now.values.set(what, value);
    if (value === 0) return 0;
    const shrunk = (before?.values.get(what) ?? value) - value;
    return shrunk <= 0 || before === undefined ? undefined : ((value / shrunk) * (now.atMs - before.atMs)) / 1000;
  }

  private take(key: Buffer, value: Buffer | null): void {
    const name = key.toString('utf8');
    const record = value === null ? undefined : decodePositionsRecord(key, value);
    this.files.delete(name);
    this.agents.delete(name);
    if (record?.kind === 'file') this.files.set(name, record);
    else if (record !== undefined) this.agents.set(name, record);
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function byName<T>(name: (each: T) => string): (left: T, right: T) => number {
  return (left, right) => (name(left) < name(right) ? -1 : 1);
}
