// Both coordinators over a real log whose disk is in memory, for tests: restarted, crashed and filled up at will.
import type { Clock } from '../../base/clock.ts';
import type { Files } from '../../base/files.ts';
import { silentLogger } from '../../base/logger.ts';
import { type Random, seededRandom } from '../../base/random.ts';
import { BrokerSettings, type SettingValue } from '../../broker/config.ts';
import type { RequestContext } from '../../broker/coordinator/contract.ts';
import { GroupCoordinator } from '../../broker/coordinator/group-coordinator.ts';
import { TransactionCoordinator } from '../../broker/coordinator/transaction-coordinator.ts';
import type { Appended, LogDirectory } from '../../broker/log/contract.ts';
import { openLogDirectory } from '../../broker/log/log-directory.ts';
import type { RequestOf } from '../../broker/wire/apis.ts';
import { ErrorCode } from '../../broker/wire/errors.ts';
import { offsetCommitRequest } from '../../broker/wire/messages/08-offset-commit.ts';
import { offsetFetchRequest } from '../../broker/wire/messages/09-offset-fetch.ts';
import { initProducerIdRequest } from '../../broker/wire/messages/22-init-producer-id.ts';
import { txnOffsetCommitRequest } from '../../broker/wire/messages/28-txn-offset-commit.ts';
import { batchOf } from './batches.ts';
import { CrashFiles } from './crash-files.ts';
import { ManualClock } from './manual-clock.ts';

export interface World {
  readonly files: Files;
  readonly clock: Clock;
  readonly log: LogDirectory;
  readonly groups: GroupCoordinator;
  readonly transactions: TransactionCoordinator;
  /** Clean end. */
  close(): Promise<void>;
}

export interface WorldOptions {
  files?: Files;
  clock?: Clock;
  random?: Random;
  settings?: Record<string, SettingValue>;
}

const lock = () => Promise.resolve({ release: () => Promise.resolve() });

export async function openWorld(options: WorldOptions = {}): Promise<World> {
  const files = options.files ?? new CrashFiles();
  const clock = options.clock ?? new ManualClock();
  const random = options.random ?? seededRandom(1);
  const settings = new BrokerSettings(options.settings);
  const common = { clock, random, logger: silentLogger };
  const log = await openLogDirectory({ directory: '/data', files, lock, earlyWriteBytes: 500, ...common });
  const dependencies = {
    ...common,
    log,
    setting: (name: string) => settings.number(name),
    word: (name: string) => settings.text(name),
  };
  const groups = await GroupCoordinator.open(dependencies);
  const transactions = await TransactionCoordinator.open({ ...dependencies, groups });
  const close = async () => {
    await transactions.close();
    groups.close();
    await log.close();
  };
  return { files, clock, log, groups, transactions, close };
}

/** The sender of a request in a version. */
export function sender(version: number, inProcess = false): RequestContext {
  return { version, clientId: 'client', clientHost: '/127.0.0.1', inProcess };
}

/** A transactional producer as the client of this process is: nothing is awaited before the end. */
export class TestProducer {
  readonly transactionalId: string;
  producerId = -1;
  producerEpoch = -1;
  private readonly world: World;
  private readonly sequences = new Map<string, number>();

  constructor(world: World, transactionalId: string) {
    this.world = world;
    this.transactionalId = transactionalId;
  }

  /** InitProducerId; the error code. */
  async init(timeoutMs = 60_000, expected?: { producerId: number; producerEpoch: number }): Promise<number> {
    const { transactionalId } = this;
    const request = initProducerIdRequest.create({ transactionalId, transactionTimeoutMs: timeoutMs, ...expected });
    const answer = await this.world.transactions.initProducerId(request, sender(5));
    if (answer.errorCode === ErrorCode.NONE) this.become(answer.producerId, answer.producerEpoch);
    return answer.errorCode;
  }

  /** What the Produce handler does for a request of this process. Throws the KafkaError it would answer. */
  produce(topic: string, values: readonly string[], partition = 0, version = 12): Appended {
    const { transactionalId, producerId, producerEpoch } = this;
    const { log, transactions } = this.world;
    const refusal = transactions.verifyOrAddPartition(
      ...([transactionalId, producerId, producerEpoch, topic, partition, version] as const),
    );
    if (refusal !== undefined) throw refusal;
    const key = `${topic}/${partition}`;
    const baseSequence = this.sequences.get(key) ?? 0;
    const batch = batchOf(values, { producerId, producerEpoch, baseSequence, isTransactional: true });
    const to = log.partition(topic, partition)!;
    const appended = to.append(batch, { origin: 'client' });
    transactions.noteAppend({ transactionalId, producerId, producerEpoch }, to, appended);
    this.sequences.set(key, baseSequence + values.length);
    return appended;
  }

  /** TxnOffsetCommit of one offset in a group without members; the error code. */
  async sendOffset(group: string, topic: string, offset: number, partition = 0): Promise<number> {
    const { transactionalId, producerId, producerEpoch } = this;
    const request = txnOffsetCommitRequest.create({
      ...{ transactionalId, producerId, producerEpoch, groupId: group },
      topics: [{ name: topic, partitions: [{ partitionIndex: partition, committedOffset: offset }] }],
    });
    const answer = await this.world.groups.txnOffsetCommit(request, sender(5, true));
    return answer.topics[0]!.partitions[0]!.errorCode;
  }

  /** EndTxn v5, which gives the epoch for the next transaction; the error code. */
  async end(committed: boolean, version = 5): Promise<number> {
    const { transactionalId, producerId, producerEpoch } = this;
    const request = { transactionalId, producerId, producerEpoch, committed };
    const answer = await this.world.transactions.endTxn(request, sender(version, true));
    if (answer.errorCode === ErrorCode.NONE && version >= 5) this.become(answer.producerId, answer.producerEpoch);
    return answer.errorCode;
  }

  private become(producerId: number, producerEpoch: number): void {
    const isNew = producerId !== this.producerId || producerEpoch !== this.producerEpoch;
    if (isNew) this.sequences.clear();
    this.producerId = producerId;
    this.producerEpoch = producerEpoch;
  }
}

/** OffsetCommit of one offset by nobody in particular; the error code. */
export async function commitOffset(
  { groups }: World,
  groupId: string,
  topic: string,
  committedOffset: number,
  extra: Partial<RequestOf<'OffsetCommit'>> = {},
  version = 9,
): Promise<number> {
  const partitions = [{ partitionIndex: 0, committedOffset, committedMetadata: 'note' }];
  const request = offsetCommitRequest.create({ groupId, topics: [{ name: topic, partitions }], ...extra });
  return (await groups.offsetCommit(request, sender(version))).topics[0]!.partitions[0]!.errorCode;
}

/** OffsetFetch of partition 0, with require_stable: the offset, or the name of the trouble. */
export async function fetchOffset({ groups }: World, groupId: string, topic: string): Promise<number | 'unstable'> {
  const asked = { groupId, topics: [{ name: topic, partitionIndexes: [0] }] };
  const request = offsetFetchRequest.create({ groups: [asked], requireStable: true });
  const { errorCode, committedOffset } = (await groups.offsetFetch(request, sender(8))).groups[0]!.topics[0]!
    .partitions[0]!;
  return errorCode === ErrorCode.UNSTABLE_OFFSET_COMMIT ? 'unstable' : committedOffset;
}
