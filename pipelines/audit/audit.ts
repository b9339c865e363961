// `tailrace audit`: balances what agents read, what topics hold, and what sinks have, and names each range that does not add up. It reads only.
//
// The order of the looks matters while everything runs: committed positions and offsets first, then the ledger and the topics, files and stores last. What
// was committed at one look must be there at all later ones; what came in between is left to the next audit.
import type { Clock } from '../../base/clock.ts';
import { messageOf, TailraceError } from '../../base/errors.ts';
import type { Files } from '../../base/files.ts';
import type { Logger } from '../../base/logger.ts';
import type { Random } from '../../base/random.ts';
import { FileRegistry } from '../../broker/client/file-registry.ts';
import type { KafkaClient, TopicMetadata } from '../../broker/client/contract.ts';
import { PositionsLog } from '../../broker/client/positions-log.ts';
import { decodePositionsRecord, type PositionRecord } from '../../broker/client/positions-record.ts';
import type { SinkAuditor } from '../../sinks/sink.ts';
import { type LedgerPart, type LedgerRecord, ledgerTopic, readLedger } from '../ledger-record.ts';
import type { EdgePlan, PipelinePlan, Plan, SinkPlan } from '../plan.ts';
import { selectTopics } from '../subscription.ts';
import { EdgeAudit } from './edge-audit.ts';
import { type Span, spansOf } from './edge-spans.ts';
import { FileRanges } from './file-ranges.ts';
import type { AuditedAgent, AuditResult, OffsetRange, Problem } from './findings.ts';
import { LetterIndex, OriginIndex } from './other-topics.ts';

export interface AuditRequest {
  plan: Pick<Plan, 'pipelines' | 'agents'>;
  /** The time of the records to be looked at; without end or beginning where undefined. */
  fromMs: number | undefined;
  untilMs: number | undefined;
  /** These edges alone; all, and the agents, when empty. */
  edges: readonly string[];
  /** The command that delivers a range of an edge again. */
  remedy: (pipeline: PipelinePlan, edge: EdgePlan, range: OffsetRange) => string;
}

export interface AuditDependencies {
  client: KafkaClient;
  files: Files;
  clock: Clock;
  random: Random;
  logger: Logger;
  signal: AbortSignal;
  /** Called with the records read so far. */
  onProgress?: ((records: number) => void) | undefined;
}

/** What is looked at of a partition: from `from` on, before `end`. */
interface Scope {
  start: number;
  from: number;
  end: number;
}

const ingestKeysTopic = '__tailrace_ingest_keys';

/** A partition that nobody leads, or whose disk failed, for so long is offline; in this process one that is offline stays so. */
const offlineMs = 3000;

class Audit {
  private readonly request: AuditRequest;
  private readonly dependencies: AuditDependencies;
  private readonly problems: Problem[] = [];
  private readonly notes: string[] = [];
  private readonly files = new FileRanges();
  private readonly positions = new Map<string, PositionRecord>();
  /** Records by topic that agents without files have committed. */
  private readonly pushed = new Map<string, number>();
  /** By topic, then partition. */
  private readonly scopes = new Map<string, Map<number, Scope>>();
  private readonly topicIds = new Map<string, string>();
  /** Topics of which some partition cannot be read. */
  private readonly offline = new Set<string>();
  /** Whether nothing of the ledger was deleted for its age. */
  private ledgerIsWhole = true;

  constructor(request: AuditRequest, dependencies: AuditDependencies) {
    this.request = request;
    this.dependencies = dependencies;
  }

  async run(): Promise<AuditResult> {
    const fileNames = new FileRegistry(this.dependencies.client, this.dependencies.clock);
    const audits: EdgeAudit[] = [];
    const auditors: SinkAuditor[] = [];
    try {
      await this.readPositions();
      const chosen = await this.chooseEdges();
      const committed = await this.readCommitted(chosen);
      const ledger = await this.readLedger(chosen);
      await this.openScopes(chosen);
      const letters = new Map<string, LetterIndex>();
      for (const each of chosen)
        audits.push(await this.openEdge(each, { committed, ledger, letters, auditors, fileNames }));
      await this.scan(audits);
      const edges = [];
      for (const [index, audit] of audits.entries()) {
        const isRead = chosen[index]!.topics.every((topic) => !this.offline.has(topic));
        const edge = await audit.finish();
        edges.push({ ...edge, balanced: edge.balanced && isRead });
      }
      for (const audit of audits) {
        this.problems.push(...audit.problems);
        this.notes.push(...audit.notes);
      }
      const agents = this.request.edges.length > 0 ? [] : this.balanceAgents();
      const { problems, notes } = this;
      return { agents, edges, problems, notes, balanced: problems.length === 0 };
    } finally {
      for (const auditor of auditors) await auditor.close().catch(() => undefined);
      await fileNames.close();
    }
  }

  private async readPositions(): Promise<void> {
    const { client, clock, signal } = this.dependencies;
    const positions = new PositionsLog(client, { isolation: 'read_committed', clock }, (key, value) => {
      const record = value === null ? undefined : decodePositionsRecord(key, value);
      if (record?.kind === 'file') this.positions.set(record.file, record);
    });
    const totals = new Map<string, Record<string, number>>();
    const visitTotals = (key: Buffer, value: Buffer | null) => {
      const [kind, ...owner] = JSON.parse(key.toString()) as string[];
      if (kind !== 'total' || value === null) return;
      totals.set(JSON.stringify(owner), (JSON.parse(value.toString()) as { lines: Record<string, number> }).lines);
    };
    const keys = new PositionsLog(client, { isolation: 'read_committed', clock, topic: ingestKeysTopic }, visitTotals);
    try {
      await positions.readToEnd(signal);
      await keys.readToEnd(signal);
    } finally {
      await positions.close();
      await keys.close();
    }
    for (const lines of totals.values())
      for (const [topic, count] of Object.entries(lines)) this.pushed.set(topic, (this.pushed.get(topic) ?? 0) + count);
  }

  private async chooseEdges(): Promise<Chosen[]> {
    const { plan, edges } = this.request;
    const admin = this.dependencies.client.admin();
    const chosen: Chosen[] = [];
    for (const pipeline of plan.pipelines) {
      const wanted = pipeline.edges.filter(({ group }) => edges.length === 0 || edges.includes(group));
      if (wanted.length === 0) continue;
      const topics = await selectTopics(admin, { topics: pipeline.from, patterns: pipeline.fromPatterns });
      for (const edge of wanted) chosen.push({ pipeline, edge, topics });
    }
    const unknown = edges.find((group) => !chosen.some(({ edge }) => edge.group === group));
    if (unknown === undefined) return chosen;
    const names = plan.pipelines.flatMap((pipeline) => pipeline.edges.map(({ group }) => group)).join(', ');
    throw new TailraceError('TLR_NOT_FOUND', `there is no edge ${unknown}; there are: ${names || 'none'}`);
  }

  private async readCommitted(chosen: readonly Chosen[]): Promise<Committed> {
    const committed: Committed = new Map();
    for (const { edge } of chosen) {
      const offsets = new Map<string, number>();
      for (const [topic, partitions] of await this.dependencies.client
        .admin()
        .groupOffsets(edge.group, { stable: true }))
        for (const [partition, { offset }] of partitions) offsets.set(`${topic}/${partition}`, offset);
      committed.set(edge.group, offsets);
    }
    return committed;
  }

  /** By edge, then topic id and partition. */
  private async readLedger(chosen: readonly Chosen[]): Promise<Ledger> {
    const { client, signal } = this.dependencies;
    const ledger: Ledger = new Map();
    const isThere = (await client.admin().topics([ledgerTopic])).length > 0;
    const start = isThere ? await client.admin().offsets(ledgerTopic, 'earliest') : new Map<number, number>();
    this.ledgerIsWhole = (start.get(0) ?? 0) === 0;
    for (const { edge } of chosen) ledger.set(edge.group, new Map());
    await readLedger(
      client,
      (record) => {
        const byPartition = ledger.get(record.edge);
        if (byPartition === undefined) return;
        for (const part of record.parts) {
          const key = `${part.topicId}/${part.partition}`;
          const parts = byPartition.get(key);
          if (parts === undefined) byPartition.set(key, [{ part, record }]);
          else parts.push({ part, record });
        }
      },
      signal,
    );
    return ledger;
  }

  /** Takes the ends of all topics that agents write and edges read, and where the period lies in them. */
  private async openScopes(chosen: readonly Chosen[]): Promise<void> {
    const { plan, fromMs, untilMs } = this.request;
    const { client } = this.dependencies;
    const admin = client.admin();
    const withinMs = client.inProcess ? 0 : offlineMs;
    const ofAgents = [
      ...[...this.positions.values()].map(({ topic }) => topic),
      ...plan.agents.map(({ topic }) => topic),
    ];
    const names = new Set([
      ...chosen.flatMap(({ topics }) => topics),
      ...(this.request.edges.length > 0 ? [] : ofAgents),
    ]);
    const topics: TopicMetadata[] = names.size === 0 ? [] : await admin.topics([...names]);
    for (const { name, topicId, partitions } of topics) {
      const [starts, ends, froms, untils] = await Promise.all([
        admin.offsets(name, 'earliest', { withinMs }),
        admin.offsets(name, 'latest-stable', { withinMs }),
        admin.offsets(name, fromMs === undefined ? 'earliest' : { timestampMs: fromMs }, { withinMs }),
        admin.offsets(name, untilMs === undefined ? 'latest' : { timestampMs: untilMs }, { withinMs }),
      ]);
      const isThere = ({ partition }: { partition: number }) =>
        [starts, ends, froms, untils].every((offsets) => offsets.has(partition));
      for (const each of partitions) if (!isThere(each)) this.noteOffline(name, each.partition);
      this.topicIds.set(name, topicId.toString('hex'));
      const scope = ({ partition }: { partition: number }): [number, Scope] => {
        const start = starts.get(partition)!;
        const end = Math.min(ends.get(partition)!, untils.get(partition)!);
        return [partition, { start, from: Math.min(Math.max(start, froms.get(partition)!), end), end }];
      };
      this.scopes.set(name, new Map(partitions.filter(isThere).map(scope)));
    }
  }

  private noteOffline(topic: string, partition: number): void {
    this.offline.add(topic);
    const what = `partition ${partition} is offline: the broker cannot read it, so nothing in it was looked at`;
    const remedy = 'the log of the broker names the file that is damaged; run the audit again when it is back';
    this.problems.push({ who: topic, kind: 'offline', ranges: [], where: undefined, what, remedy });
  }

  private async openEdge(
    { pipeline, edge, topics }: Chosen,
    world: {
      committed: Committed;
      ledger: Ledger;
      letters: Map<string, LetterIndex>;
      auditors: SinkAuditor[];
      fileNames: FileRegistry;
    },
  ): Promise<EdgeAudit> {
    const { client, clock, signal } = this.dependencies;
    const spans: Span[] = [];
    const starts = new Map<string, number>();
    const beginsAtStart = pipeline.start === 'earliest';
    const { ledgerIsWhole } = this;
    for (const topic of topics) {
      for (const [partition, scope] of this.scopes.get(topic) ?? []) {
        starts.set(`${topic}/${partition}`, scope.start);
        const topicId = this.topicIds.get(topic)!;
        const parts = world.ledger.get(edge.group)!.get(`${topicId}/${partition}`) ?? [];
        const upTo = world.committed.get(edge.group)?.get(`${topic}/${partition}`) ?? 0;
        const isKnown = beginsAtStart && upTo > 0 && (parts.length === 0 || ledgerIsWhole);
        const begins = isKnown ? Math.min(scope.start, parts[0]?.part.from ?? Infinity) : undefined;
        const found = spansOf(edge.group, { topic, topicId, partition }, parts, begins, upTo);
        const overlaps = ({ from, to }: Span) => from < scope.end && to > scope.from;
        spans.push(...found.spans.filter(overlaps));
        this.problems.push(...found.problems);
      }
    }
    let index = world.letters.get(pipeline.deadLetterTopic);
    if (index === undefined) {
      index = await LetterIndex.read(client, pipeline.deadLetterTopic, signal);
      world.letters.set(pipeline.deadLetterTopic, index);
    }
    const { target } = edge;
    const auditor = target.kind === 'sink' ? await this.openAuditor(pipeline, edge) : undefined;
    if (auditor !== undefined) world.auditors.push(auditor);
    const origins = target.kind === 'topic' ? await OriginIndex.read(client, target.topic, signal) : undefined;
    if (origins?.isComplete === false)
      this.notes.push(
        `${edge.group}: the oldest records of ${target.kind === 'topic' ? target.topic : ''} were deleted for their age, so single records are not looked up`,
      );
    return new EdgeAudit({
      ...{
        pipeline,
        edge,
        spans,
        auditor,
        origins: origins?.isComplete === true ? origins : undefined,
        letters: index,
      },
      ...{ starts, fileNames: world.fileNames, clock, signal },
      remedy: (range) => this.request.remedy(pipeline, edge, range),
    });
  }

  private async openAuditor(pipeline: PipelinePlan, { group, target }: EdgePlan): Promise<SinkAuditor | undefined> {
    if (target.kind === 'topic') return undefined;
    const { definition, name } = target.sink;
    if (definition.audit === undefined) {
      this.notes.push(
        `${group}: ${name} (${definition.type}) cannot be asked what has arrived; its offsets alone are checked`,
      );
      return undefined;
    }
    try {
      return await openAuditor(pipeline, group, target.sink, this.dependencies);
    } catch (error) {
      const what = `${name} cannot be looked at: ${messageOf(error)}`;
      this.problems.push({
        who: group,
        kind: 'published',
        ranges: [],
        where: name,
        what,
        remedy: 'run the audit again when it can be reached',
      });
      return undefined;
    }
  }

  /** Reads each partition once, for all who look at it. */
  private async scan(audits: readonly EdgeAudit[]): Promise<void> {
    const { client, signal, onProgress } = this.dependencies;
    const withAgents = this.request.edges.length === 0;
    let records = 0;
    for (const [topic, partitions] of this.scopes) {
      const ends = new Map(
        [...partitions].map(([partition, { end }]) => [
          partition,
          Math.max(end, ...audits.map((each) => each.reaches(topic, partition))),
        ]),
      );
      const open = [...partitions].filter(([partition, { start }]) => ends.get(partition)! > start);
      if (open.length === 0) continue;
      const consumer = client.consumer({ isolation: 'read_committed', maxWaitMs: 200 });
      try {
        const begins = new Map<number, number>();
        for (const [partition, from] of audits.flatMap((audit) => audit.begins(topic)))
          begins.set(partition, Math.min(from, begins.get(partition) ?? Infinity));
        await consumer.assign(
          open.map(([partition, { start, from }]) => ({
            topic,
            partition,
            offset: Math.max(start, Math.min(from, begins.get(partition) ?? from)),
          })),
        );
        const isBehind = () =>
          open.some(([partition]) => consumer.position({ topic, partition }) < ends.get(partition)!);
        while (isBehind()) {
          for (const fetched of await consumer.poll(signal)) {
            const { from, end } = partitions.get(fetched.partition)!;
            const within = { ...fetched, fromOffset: Math.max(fetched.fromOffset, from) };
            if (withAgents && fetched.nextOffset > from) this.files.take(within, end);
            for (const audit of audits) await audit.take(fetched);
            if (fetched.nextOffset >= ends.get(fetched.partition)!) consumer.pause([fetched]);
            records += fetched.batches.length;
            onProgress?.(records);
          }
          signal.throwIfAborted();
        }
      } finally {
        await consumer.close();
      }
    }
  }

  private balanceAgents(): AuditedAgent[] {
    const { plan, fromMs, untilMs } = this.request;
    const isWhole = fromMs === undefined && untilMs === undefined;
    const wholeTopics = new Set<string>();
    for (const [topic, partitions] of this.scopes)
      if (isWhole && !this.offline.has(topic) && [...partitions.values()].every(({ start }) => start === 0))
        wholeTopics.add(topic);
    const droppingAgents = new Set(plan.agents.filter(({ settings }) => leavesOut(settings)).map(({ name }) => name));
    const readTopics = [...this.scopes.keys()].filter((topic) => !this.offline.has(topic));
    const endedTopics = new Set(untilMs === undefined ? readTopics : []);
    const checks = { positions: this.positions, droppingAgents, wholeTopics, endedTopics, offlineTopics: this.offline };
    const { files, problems } = this.files.finish(checks);
    this.problems.push(...problems);
    for (const [topic, count] of this.pushed) {
      const found = this.files.others.get(topic) ?? 0;
      if (!wholeTopics.has(topic) || found >= count) continue;
      const what = `${count} records were taken over HTTP, of which ${found} are there`;
      this.problems.push({ who: topic, kind: 'bytes', ranges: [], where: undefined, what, remedy: undefined });
    }
    const names = [...new Set(files.map(({ agent }) => agent))];
    return names.map((agent) => {
      const own = files.filter((file) => file.agent === agent);
      return {
        ...{ agent, files: own, bytes: own.reduce((sum, { fromByte, toByte }) => sum + toByte - fromByte, 0) },
        records: own.reduce((sum, each) => sum + each.records, 0),
        balanced: !problems.some(({ who }) => who === agent),
      };
    });
  }
}

/** Undefined where nobody can be asked what has arrived. Throws TailraceError TLR_SINK when the store cannot be reached. */
export function openAuditor(
  pipeline: PipelinePlan,
  edge: string,
  { definition, settings }: SinkPlan,
  { files, clock, random, logger }: Pick<AuditDependencies, 'files' | 'clock' | 'random' | 'logger'>,
): Promise<SinkAuditor | undefined> {
  const who = { edge, pipeline: pipeline.name, instance: 'audit', generation: 0 };
  return Promise.resolve(definition.audit?.(settings, { ...who, files, clock, random, logger }));
}

interface Chosen {
  pipeline: PipelinePlan;
  edge: EdgePlan;
  topics: readonly string[];
}

type Committed = Map<string, Map<string, number>>;
type Ledger = Map<string, Map<string, { part: LedgerPart; record: LedgerRecord }[]>>;

/** Whether an agent's settings say that long lines are passed over. */
function leavesOut(settings: unknown): boolean {
  return typeof settings === 'object' && settings !== null && 'long_line' in settings && settings.long_line === 'drop';
}

/** Throws TailraceError TLR_NOT_FOUND when an edge is asked for that the plan does not have. */
export function audit(request: AuditRequest, dependencies: AuditDependencies): Promise<AuditResult> {
  return new Audit(request, dependencies).run();
}
