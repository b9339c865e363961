// Transactions over a real log: the requests as Kafka's clients send them, restarts, timeouts, fencing, and offsets that move with a commit.
import { describe, expect, it } from 'vitest';
import type { RequestOf } from '../../../broker/wire/apis.ts';
import { ErrorCode } from '../../../broker/wire/errors.ts';
import { addOffsetsToTxnRequest } from '../../../broker/wire/messages/25-add-offsets-to-txn.ts';
import { addPartitionsToTxnRequest } from '../../../broker/wire/messages/24-add-partitions-to-txn.ts';
import { initProducerIdRequest } from '../../../broker/wire/messages/22-init-producer-id.ts';
import { txnOffsetCommitRequest } from '../../../broker/wire/messages/28-txn-offset-commit.ts';
import { readCommitted, readValues } from '../../support/batches.ts';
import { CrashFiles } from '../../support/crash-files.ts';
import { commitOffset, fetchOffset, openWorld, sender, TestProducer, type World } from '../../support/coordinators.ts';
import { ManualClock } from '../../support/manual-clock.ts';

async function worldWithTopics(options: Parameters<typeof openWorld>[0] = {}): Promise<World> {
  const world = await openWorld(options);
  for (const name of ['lines', 'positions']) {
    if (world.log.topic(name) === undefined) await world.log.createTopic({ name, partitions: 2 });
  }
  return world;
}

const committed = async ({ log }: World, topic: string, partition = 0) => {
  const from = log.partition(topic, partition)!;
  const offsets = new Set(await readCommitted(from, 1000));
  const values = await readValues(from);
  const all = [...Array(from.highWatermark).keys()].filter((offset) => offsets.has(offset));
  return { count: all.length, values };
};

/** Lets what is queued reach the disk and the watermarks move. */
const settle = async ({ log }: World, topic: string, partition = 0) => {
  const waiting = log.partition(topic, partition)!;
  while (waiting.highWatermark < waiting.logEndOffset) await new Promise<void>((resolve) => setImmediate(resolve));
};

describe('a producer of this process', () => {
  it('commits many partitions with EndTxn right behind its appends', async () => {
    const world = await worldWithTopics();
    const producer = new TestProducer(world, 'agent');
    expect(await producer.init()).toBe(ErrorCode.NONE);
    const epoch = producer.producerEpoch;
    producer.produce('lines', ['a', 'b']);
    producer.produce('lines', ['c'], 1);
    producer.produce('positions', ['p']);
    expect(world.log.partition('lines', 0)!.highWatermark).toBe(0);
    expect(await producer.end(true)).toBe(ErrorCode.NONE);
    expect(producer.producerEpoch).toBe(epoch + 1);
    producer.produce('lines', ['d']);
    expect(await producer.end(false)).toBe(ErrorCode.NONE);
    await settle(world, 'lines');
    await settle(world, 'lines', 1);
    expect(await committed(world, 'lines')).toEqual({ count: 2, values: ['a', 'b', 'd'] });
    expect(await committed(world, 'lines', 1)).toEqual({ count: 1, values: ['c'] });
    await world.close();
  });

  it('takes one sync round to decide', async () => {
    const files = new CrashFiles();
    const world = await worldWithTopics({ files });
    const producer = new TestProducer(world, 'agent');
    await producer.init();
    producer.produce('lines', ['warm']);
    await producer.end(true);
    await settle(world, 'lines');
    let syncs = 0;
    files.inject = (call) => {
      if (call.kind === 'sync') syncs++;
      return undefined;
    };
    producer.produce('lines', ['a']);
    producer.produce('positions', ['p']);
    await producer.end(true);
    // Two data partitions and the decision, each synced once, side by side; the markers ride in the next round.
    expect(syncs).toBe(3);
    await world.close();
  });

  it('cannot commit what lost an append', async () => {
    const world = await worldWithTopics();
    const producer = new TestProducer(world, 'agent');
    await producer.init();
    world.transactions.doom('agent', producer.producerId, producer.producerEpoch);
    producer.produce('lines', ['a']);
    expect(await producer.end(true)).toBe(ErrorCode.TRANSACTION_ABORTABLE);
    expect(await producer.end(false)).toBe(ErrorCode.NONE);
    producer.produce('lines', ['b']);
    expect(await producer.end(true)).toBe(ErrorCode.NONE);
    await settle(world, 'lines');
    expect((await committed(world, 'lines')).count).toBe(1);
    await world.close();
  });

  it('is fenced by the next one of its id, whose init aborts what was open', async () => {
    const world = await worldWithTopics();
    const [old, fresh] = [new TestProducer(world, 'agent'), new TestProducer(world, 'agent')];
    await old.init();
    old.produce('lines', ['lost']);
    expect(await fresh.init()).toBe(ErrorCode.NONE);
    expect(fresh.producerId).toBe(old.producerId);
    expect(() => old.produce('lines', ['late'])).toThrow('INVALID_PRODUCER_EPOCH');
    expect(await old.end(true)).toBe(ErrorCode.PRODUCER_FENCED);
    fresh.produce('lines', ['kept']);
    expect(await fresh.end(true)).toBe(ErrorCode.NONE);
    await settle(world, 'lines');
    expect(await committed(world, 'lines')).toEqual({ count: 1, values: ['lost', 'kept'] });
    await world.close();
  });
});

describe('after a restart', () => {
  it('keeps ids, epochs and open transactions, and fences across it', async () => {
    const files = new CrashFiles();
    let world = await worldWithTopics({ files });
    const before = new TestProducer(world, 'agent');
    await before.init();
    before.produce('lines', ['a']);
    await before.end(true);
    await before.produce('lines', ['open']).durable;
    await world.close();

    world = await worldWithTopics({ files });
    const same = new TestProducer(world, 'agent');
    Object.assign(same, { producerId: before.producerId, producerEpoch: before.producerEpoch });
    expect(await same.end(true)).toBe(ErrorCode.NONE);
    await settle(world, 'lines');
    expect((await committed(world, 'lines')).count).toBe(2);
    const next = new TestProducer(world, 'agent');
    await next.init();
    expect(next.producerId).toBe(before.producerId);
    expect(next.producerEpoch).toBeGreaterThan(before.producerEpoch + 1);
    await world.close();
  });

  it('still aborts at the timeout', async () => {
    const files = new CrashFiles();
    const clock = new ManualClock();
    let world = await worldWithTopics({ files, clock });
    const producer = new TestProducer(world, 'agent');
    await producer.init(10_000);
    await producer.produce('lines', ['open']).durable;
    clock.pass(4000);
    await world.close();
    world = await worldWithTopics({ files, clock });
    clock.pass(5000);
    expect(world.log.partition('lines', 0)!.lastStableOffset).toBe(0);
    clock.pass(2000);
    while (world.log.partition('lines', 0)!.lastStableOffset < 2) await new Promise<void>(setImmediate);
    expect((await committed(world, 'lines')).count).toBe(0);
    const late = new TestProducer(world, 'agent');
    Object.assign(late, { producerId: producer.producerId, producerEpoch: producer.producerEpoch });
    // As in Kafka: the epoch before the current one may repeat its EndTxn, but this one ended otherwise.
    expect(await late.end(true)).toBe(ErrorCode.INVALID_TXN_STATE);
    expect(() => late.produce('lines', ['late'])).toThrow('INVALID_PRODUCER_EPOCH');
    await world.close();
  });

  it('aborts at the timeout although the time of day is set back', async () => {
    const clock = new ManualClock();
    let backMs = 0;
    const now = clock.now.bind(clock);
    clock.now = () => now() - backMs;
    const world = await worldWithTopics({ clock });
    const producer = new TestProducer(world, 'agent');
    await producer.init(10_000);
    await producer.produce('lines', ['open']).durable;
    backMs = 1_800_000;
    for (let second = 0; second < 40; second++) clock.pass(1000);
    while (world.log.partition('lines', 0)!.lastStableOffset < 2) await new Promise<void>(setImmediate);
    expect((await committed(world, 'lines')).count).toBe(0);
    await world.close();
  });
});

describe('a transactional id', () => {
  it('is forgotten after a week of silence', async () => {
    const files = new CrashFiles();
    const clock = new ManualClock();
    let world = await worldWithTopics({ files, clock });
    const producer = new TestProducer(world, 'agent');
    await producer.init();
    producer.produce('lines', ['a']);
    await producer.end(true);
    clock.pass(8 * 86_400_000);
    expect(() => producer.produce('lines', ['b'])).toThrow('INVALID_PRODUCER_ID_MAPPING');
    await world.close();
    world = await worldWithTopics({ files, clock });
    const next = new TestProducer(world, 'agent');
    expect(await next.init()).toBe(ErrorCode.NONE);
    expect(next.producerId).not.toBe(producer.producerId);
    await world.close();
  });
});

describe('offsets in a transaction', () => {
  it('hold with the commit, are unstable until then, and vanish with an abort', async () => {
    const files = new CrashFiles();
    const world = await worldWithTopics({ files });
    await commitOffset(world, 'group', 'lines', 1);
    const producer = new TestProducer(world, 'edge');
    await producer.init();
    producer.produce('positions', ['x']);
    const sent = producer.sendOffset('group', 'lines', 5);
    expect(await fetchOffset(world, 'group', 'lines')).toBe('unstable');
    expect(await producer.end(true)).toBe(ErrorCode.NONE);
    expect(await sent).toBe(ErrorCode.NONE);
    expect(await fetchOffset(world, 'group', 'lines')).toBe(5);
    void producer.sendOffset('group', 'lines', 9);
    expect(await producer.end(false)).toBe(ErrorCode.NONE);
    expect(await fetchOffset(world, 'group', 'lines')).toBe(5);
    await world.close();
    const again = await worldWithTopics({ files });
    expect(await fetchOffset(again, 'group', 'lines')).toBe(5);
    await again.close();
  });

  it('are in the transaction even when their topic has to be made first', async () => {
    const world = await worldWithTopics();
    const producer = new TestProducer(world, 'edge');
    await producer.init();
    const sent = producer.sendOffset('fresh', 'lines', 3);
    const ended = producer.end(true);
    expect(await Promise.all([sent, ended])).toEqual([ErrorCode.NONE, ErrorCode.NONE]);
    expect(await fetchOffset(world, 'fresh', 'lines')).toBe(3);
    await world.close();
  });

  it('that are refused keep the transaction from being committed', async () => {
    const world = await worldWithTopics();
    const producer = new TestProducer(world, 'edge');
    await producer.init();
    producer.produce('lines', ['a']);
    const request = txnOffsetCommitRequest.create({
      ...{ transactionalId: 'edge', producerId: producer.producerId, producerEpoch: producer.producerEpoch },
      ...{ groupId: 'group', generationId: 4, memberId: 'gone' },
      topics: [{ name: 'lines', partitions: [{ partitionIndex: 0, committedOffset: 1 }] }],
    });
    const refused = world.groups.txnOffsetCommit(request, sender(5, true));
    expect(await producer.end(true)).toBe(ErrorCode.TRANSACTION_ABORTABLE);
    expect((await refused).topics[0]!.partitions[0]!.errorCode).toBe(ErrorCode.ILLEGAL_GENERATION);
    await world.close();
  });
});

describe('requests of older clients', () => {
  const addPartitions = (producer: TestProducer, topic: string): RequestOf<'AddPartitionsToTxn'> =>
    addPartitionsToTxnRequest.create({
      v3AndBelowTransactionalId: producer.transactionalId,
      v3AndBelowProducerId: producer.producerId,
      v3AndBelowProducerEpoch: producer.producerEpoch,
      v3AndBelowTopics: [{ name: topic, partitions: [0] }],
    });

  it('add their partitions first, and repeat EndTxn under the same epoch', async () => {
    const world = await worldWithTopics();
    const { transactions } = world;
    const producer = new TestProducer(world, 'old');
    await producer.init();
    expect(() => producer.produce('lines', ['a'], 0, 9)).toThrow('INVALID_TXN_STATE');
    const missing = await transactions.addPartitionsToTxn(addPartitions(producer, 'nowhere'), sender(3));
    expect(missing.resultsByTopicV3AndBelow[0]!.resultsByPartition[0]!.partitionErrorCode).toBe(
      ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    );
    const added = await transactions.addPartitionsToTxn(addPartitions(producer, 'lines'), sender(3));
    expect(added.resultsByTopicV3AndBelow[0]!.resultsByPartition[0]!.partitionErrorCode).toBe(ErrorCode.NONE);
    producer.produce('lines', ['a'], 0, 9);
    const { producerEpoch } = producer;
    expect(await producer.end(true, 3)).toBe(ErrorCode.NONE);
    expect(await producer.end(true, 3)).toBe(ErrorCode.NONE);
    expect(await producer.end(false, 3)).toBe(ErrorCode.INVALID_TXN_STATE);
    expect(producer.producerEpoch).toBe(producerEpoch);
    await settle(world, 'lines');
    expect((await committed(world, 'lines')).count).toBe(1);
    await world.close();
  });

  it('commit offsets after AddOffsetsToTxn', async () => {
    const world = await worldWithTopics();
    const producer = new TestProducer(world, 'old');
    await producer.init();
    const { transactionalId, producerId, producerEpoch } = producer;
    const offsets = txnOffsetCommitRequest.create({
      ...{ transactionalId, producerId, producerEpoch, groupId: 'group' },
      topics: [{ name: 'lines', partitions: [{ partitionIndex: 0, committedOffset: 7 }] }],
    });
    const early = await world.groups.txnOffsetCommit(offsets, sender(3));
    expect(early.topics[0]!.partitions[0]!.errorCode).toBe(ErrorCode.INVALID_TXN_STATE);
    const add = addOffsetsToTxnRequest.create({ transactionalId, producerId, producerEpoch, groupId: 'group' });
    expect((await world.transactions.addOffsetsToTxn(add, sender(3))).errorCode).toBe(ErrorCode.NONE);
    const answer = await world.groups.txnOffsetCommit(offsets, sender(3));
    expect(answer.topics[0]!.partitions[0]!.errorCode).toBe(ErrorCode.NONE);
    expect(await producer.end(true, 3)).toBe(ErrorCode.NONE);
    expect(await fetchOffset(world, 'group', 'lines')).toBe(7);
    await world.close();
  });
});

describe('InitProducerId', () => {
  const init = (world: World, draft: Parameters<typeof initProducerIdRequest.create>[0], version = 5) =>
    world.transactions.initProducerId(initProducerIdRequest.create(draft), sender(version));

  it('gives ids without a transactional id, refuses bad timeouts and halves of an identity', async () => {
    const world = await worldWithTopics();
    const plain = { transactionalId: null, transactionTimeoutMs: 0 };
    const [first, second] = [await init(world, plain), await init(world, plain)];
    expect(first).toMatchObject({ errorCode: ErrorCode.NONE, producerEpoch: 0 });
    expect(second.producerId).not.toBe(first.producerId);
    const late = { transactionalId: 'x', transactionTimeoutMs: 900_001 };
    expect((await init(world, late)).errorCode).toBe(ErrorCode.INVALID_TRANSACTION_TIMEOUT);
    const half = { transactionalId: 'x', transactionTimeoutMs: 1000, producerId: 4, producerEpoch: -1 };
    expect((await init(world, half)).errorCode).toBe(ErrorCode.INVALID_REQUEST);
    expect((await init(world, { ...late, transactionalId: '' })).errorCode).toBe(ErrorCode.INVALID_REQUEST);
    await world.close();
  });

  it('bumps the epoch of the producer it expects, once for a request that comes twice, and fences others (KIP-360)', async () => {
    const world = await worldWithTopics();
    const first = await init(world, { transactionalId: 'x', transactionTimeoutMs: 1000 });
    const expected = { transactionalId: 'x', transactionTimeoutMs: 1000, ...first };
    const second = await init(world, expected);
    expect(second).toMatchObject({ producerId: first.producerId, producerEpoch: first.producerEpoch + 1 });
    expect(await init(world, expected)).toMatchObject({ producerEpoch: second.producerEpoch });
    await init(world, { transactionalId: 'x', transactionTimeoutMs: 1000 });
    expect((await init(world, expected)).errorCode).toBe(ErrorCode.PRODUCER_FENCED);
    expect((await init(world, expected, 3)).errorCode).toBe(ErrorCode.INVALID_PRODUCER_EPOCH);
    await world.close();
  });
});
