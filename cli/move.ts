// A data directory whose configuration names a cluster now: what its own broker knew of the files that are read goes along, so that agents go on where they
// were. What edges had not delivered does not: it is named, and nothing is begun; what was decided there and perhaps not published is published. The file `moved-to` says that it was done, and where to; from then on
// agents no longer run on the directory's own broker, for its positions are the old ones.
import { join } from 'node:path';
import { ingestKeysTopic } from '../agents/http/keys.ts';
import { replaceFile } from '../base/atomic-file.ts';
import type { Clock } from '../base/clock.ts';
import { TailraceError } from '../base/errors.ts';
import type { Files } from '../base/files.ts';
import type { Logger } from '../base/logger.ts';
import { systemRandom } from '../base/random.ts';
import { formatCount } from '../base/units.ts';
import type { KafkaClient, OutgoingRecord } from '../broker/client/contract.ts';
import { compactedTopicConfigs } from '../broker/client/own-topics.ts';
import { PositionsLog } from '../broker/client/positions-log.ts';
import { positionsTopic } from '../broker/client/positions-record.ts';
import { decodeAccount } from '../pipelines/account.ts';
import { groupLag, type PartitionLag } from '../pipelines/lag.ts';
import { ManifestStore, partitionOfKey } from '../pipelines/manifests.ts';
import type { Plan } from '../pipelines/plan.ts';
import type { WriterScope } from '../sinks/sink.ts';
import { closeHouse, type House, openHouse } from './house.ts';

const markerName = 'moved-to';
/** What a broker that ran here has left. */
const ownBrokerName = 'tailrace-metadata.log';
/** For a fetch that finds nothing but markers; what could not be read by then counts as there. */
const readDeadlineMs = 10_000;

export interface MoveOptions {
  plan: Plan;
  dataDirectory: string;
  files: Files;
  clock: Clock;
  logger: Logger;
}

/** By topic, then key: positions of files, and keys and totals of what came over HTTP. */
export type Carried = ReadonlyMap<string, ReadonlyMap<string, Buffer>>;

/** What is to be taken along, of all agents that wrote here; undefined when there is nothing to move. Throws TLR_CONFIG when something has to be done before. */
export async function packUp(options: MoveOptions): Promise<Carried | undefined> {
  const { plan, dataDirectory, files } = options;
  const marker = join(dataDirectory, markerName);
  const hasMoved = (await files.stat(marker)) !== undefined;
  if (plan.broker.kind === 'embedded') {
    if (!hasMoved || plan.agents.length === 0) return undefined;
    const where = (await files.readFile(marker)).toString('utf8').trim();
    throw new TailraceError(
      'TLR_CONFIG',
      `the agents of ${dataDirectory} went on to ${where}: here they would read again what they have read since then. Without agents the file runs; ` +
        `remove ${marker} where that is what you want`,
    );
  }
  if (hasMoved || (await files.stat(join(dataDirectory, ownBrokerName))) === undefined) return undefined;
  return look(options);
}

/** Opens the directory's own broker, for nobody else, and so that it deletes nothing for its age. */
async function look(options: MoveOptions): Promise<Carried> {
  const { plan, dataDirectory, clock, logger } = options;
  const later = String(86_400_000);
  const settings = { 'log.retention.check.interval.ms': later, 'offsets.retention.check.interval.ms': later };
  const broker = { kind: 'embedded' as const, listen: [], users: {}, settings };
  const house = await openHouse({ plan: { ...plan, broker }, dataDirectory, logger });
  const manifests = new ManifestStore(house.client);
  try {
    await manifests.create();
    await manifests.refresh();
    const undelivered = await findUndelivered(house.client, manifests, plan, clock);
    if (undelivered.length > 0) {
      throw new TailraceError(
        'TLR_CONFIG',
        `the broker in ${dataDirectory} holds what is not delivered: ${undelivered.join(', ')}. Deliver it with the former configuration ` +
          '(tailrace up --once), or delete groups that nobody needs (tailrace groups delete), and start again',
      );
    }
    await publishDecided(house, manifests, options);
    return new Map([
      [positionsTopic, await readLatest(house.client, positionsTopic, clock)],
      [ingestKeysTopic, await readLatest(house.client, ingestKeysTopic, clock)],
    ]);
  } finally {
    await manifests.close();
    await closeHouse(house);
  }
}

/** Edges that are behind, those of former configurations too; jobs have an end of their own. */
async function findUndelivered(
  client: KafkaClient,
  manifests: ManifestStore,
  plan: Plan,
  clock: Clock,
): Promise<string[]> {
  const admin = client.admin();
  const topics = new Set((await admin.topics()).map(({ name }) => name));
  const read = new Map(
    plan.pipelines.flatMap(({ from, edges }) =>
      edges.map(({ group }) => [group, from.filter((topic) => topics.has(topic))] as const),
    ),
  );
  const found: string[] = [];
  const groups = (await admin.listGroups()).map(({ groupId }) => groupId);
  for (const group of new Set([...read.keys(), ...groups])) {
    if (manifests.job(group) !== undefined) continue;
    const offsets = [...(await admin.groupOffsets(group)).values()].flatMap((partitions) => [...partitions.values()]);
    // Consumers that are none of ours have no account: where they go on is theirs to decide.
    if (!read.has(group) && !offsets.some(({ metadata }) => decodeAccount(metadata) !== undefined)) continue;
    for (const lag of await groupLag(client, clock, group, read.get(group))) {
      const { topic, partition, end, lagRecords } = lag;
      if (end === undefined && topics.has(topic))
        found.push(`partition ${partition} of ${topic}, which cannot be read, for ${group}`);
      else if (lagRecords !== undefined && lagRecords > 0 && (await hasRecords(client, lag, clock)))
        found.push(`up to ${formatCount(lagRecords)} records of ${topic} for ${group}`);
    }
  }
  return found;
}

/** A process that was killed between deciding and publishing leaves that to the next session of its edge, which reads from the cluster and knows nothing of it. */
async function publishDecided(house: House, manifests: ManifestStore, options: MoveOptions): Promise<void> {
  const { plan, dataDirectory, files, clock, logger } = options;
  const names = new Map(
    (await house.client.admin().topics()).map(({ name, topicId }) => [topicId.toString('hex'), name]),
  );
  for (const { group, target } of plan.pipelines.flatMap(({ edges }) => edges)) {
    const decided = manifests.manifests(group);
    if (target.kind !== 'sink' || decided.size === 0) continue;
    const sink = await target.sink.definition.open(target.sink.settings, {
      ...{ edge: group, pipeline: '', instance: house.instance, generation: 0 },
      ...{ scratch: join(dataDirectory, 'scratch'), files, clock, random: systemRandom, logger },
    });
    try {
      if (sink.guarantee === 'two-phase')
        for (const [key, manifest] of decided) await sink.recover(scopeOfKey(key, names), manifest);
    } finally {
      await sink.close();
    }
  }
}

function scopeOfKey(key: string, names: ReadonlyMap<string, string>): WriterScope {
  const partition = partitionOfKey(key);
  if (partition === undefined) return { kind: 'edge' };
  const topic = names.get(partition.topicId.toString('hex')) ?? '';
  return { kind: 'partition', coordinates: { topic, ...partition } };
}

/** Whether there is anything but markers of transactions between what is committed and the end. */
async function hasRecords(
  client: KafkaClient,
  { topic, partition, committed = 0, end = 0 }: PartitionLag,
  clock: Clock,
): Promise<boolean> {
  const consumer = client.consumer({ isolation: 'read_committed', start: 'earliest', maxWaitMs: 20, minBytes: 1 });
  const deadlineMs = clock.monotonicMs() + readDeadlineMs;
  try {
    await consumer.assign([{ topic, partition, offset: committed }]);
    while (consumer.position({ topic, partition }) < end && clock.monotonicMs() < deadlineMs)
      if ((await consumer.poll()).some(({ batches }) => batches.length > 0)) return true;
    return consumer.position({ topic, partition }) < end;
  } finally {
    await consumer.close();
  }
}

async function readLatest(client: KafkaClient, topic: string, clock: Clock): Promise<Map<string, Buffer>> {
  const latest = new Map<string, Buffer>();
  const log = new PositionsLog(client, { isolation: 'read_committed', clock, topic }, (key, value) => {
    if (value === null) latest.delete(key.toString());
    else latest.set(key.toString(), Buffer.from(value));
  });
  try {
    await log.readToEnd();
  } finally {
    await log.close();
  }
  return latest;
}

/** Hands the cluster what it does not know yet, in one transaction, and writes down that this was done. To be called before any agent begins. */
export async function unpack(
  carried: Carried,
  client: KafkaClient,
  instance: string,
  options: MoveOptions,
): Promise<void> {
  const { plan, dataDirectory, files, clock, logger } = options;
  if (plan.broker.kind !== 'external') return;
  const records: OutgoingRecord[] = [];
  for (const [topic, latest] of carried) {
    if (latest.size === 0) continue;
    await client
      .admin()
      .createTopic({ name: topic, partitions: 1, configs: compactedTopicConfigs }, { ifMissing: true });
    // Killed before the mark was made, or begun there without this directory: what the cluster knows is the newer truth.
    const known = new Set([...(await readLatest(client, topic, clock)).keys()].map((key) => agentOf(topic, key)));
    for (const [key, value] of latest) {
      if (known.has(agentOf(topic, key))) continue;
      const counted = withoutCounts(value);
      records.push({ topic, partition: 0, key: Buffer.from(key), value: counted, timestampMs: clock.now() });
    }
  }
  if (records.length > 0) {
    const producer = client.producer({ transactionalId: `tailrace-move-${instance}`, transactionTimeoutMs: 15_000 });
    try {
      await producer.init();
      const transaction = producer.begin();
      transaction.send(records);
      await transaction.commit();
    } finally {
      await producer.close();
    }
  }
  const where = plan.broker.bootstrap.map(({ host, port }) => `${host}:${port}`).join();
  await replaceFile(files, join(dataDirectory, markerName), `kafka://${where}\n`);
  logger.info('agents go on where they were on the broker of the data directory', { broker: where });
}

/** The parts of a key that name instance and agent: [instance, agent, file], ["key", instance, agent, …] and ["total", instance, agent]. */
function agentOf(topic: string, key: string): string {
  const first = topic === positionsTopic ? 0 : 1;
  return JSON.stringify((JSON.parse(key) as string[]).slice(first, first + 2));
}

/** Counts are those of lines in topics, which stay where they are. */
function withoutCounts(value: Buffer): Buffer {
  const body = JSON.parse(value.toString()) as Record<string, unknown>;
  if ('forgottenLines' in body) body['forgottenLines'] = {};
  if ('lines' in body) body['lines'] = typeof body['lines'] === 'number' ? 0 : {};
  return Buffer.from(JSON.stringify(body));
}
