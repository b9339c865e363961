// Produce, Fetch, ListOffsets and their neighbours over the in-process path.
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { ErrorCode } from '../../../broker/wire/errors.ts';
import { batchOf, valuesOf } from '../../support/text-batches.ts';
import { ask } from '../../support/in-process.ts';
import { startTestBroker, type TestBroker } from '../../support/test-broker.ts';

let server: TestBroker;
const ids = new Map<string, Buffer>();
beforeAll(async () => {
  server = await startTestBroker({ socket: false });
});
afterAll(() => server.close());

async function topic(name: string, configs: Record<string, string> = {}, numPartitions = 1): Promise<Buffer> {
  const entries = Object.entries(configs).map(([key, value]) => ({ name: key, value }));
  const asked = { name, numPartitions, replicationFactor: 1, configs: entries };
  const id = (await ask(server.broker, 'CreateTopics', { topics: [asked] })).topics[0]!.topicId;
  ids.set(name, id);
  return id;
}

async function produce(
  name: string,
  records: Buffer | null,
  options: { acks?: number; partition?: number; version?: number; transactionalId?: string } = {},
) {
  const { acks = -1, partition: index = 0, version = 13, transactionalId = null } = options;
  const topicData = [
    {
      ...(version >= 13 ? { topicId: ids.get(name) ?? Buffer.alloc(16, 1) } : { name }),
      partitionData: [{ index, records }],
    },
  ];
  const answer = await ask(server.broker, 'Produce', { acks, transactionalId, topicData }, version, false);
  return answer.responses[0]!.partitionResponses[0]!;
}

async function fetch(
  name: string,
  fetchOffset: number,
  options: { isolationLevel?: number; maxBytes?: number; partitionMaxBytes?: number } = {},
) {
  const { partitionMaxBytes = 1 << 20, ...rest } = options;
  const topics = [{ topicId: ids.get(name)!, partitions: [{ partition: 0, fetchOffset, partitionMaxBytes }] }];
  return (await ask(server.broker, 'Fetch', { topics, maxWaitMs: 0, ...rest })).responses[0]!.partitions[0]!;
}

test('what is produced is fetched, offsets in order', async () => {
  await topic('plain');
  expect(await produce('plain', batchOf(['a', 'b']))).toMatchObject({
    errorCode: 0,
    baseOffset: 0,
    logStartOffset: 0,
    logAppendTimeMs: -1,
  });
  expect(await produce('plain', batchOf(['c']), { acks: 1 })).toMatchObject({ errorCode: 0, baseOffset: 2 });
  expect(await produce('plain', batchOf(['d']), { version: 3 })).toMatchObject({ errorCode: 0, baseOffset: 3 });
  const fetched = await fetch('plain', 0);
  expect(valuesOf(fetched.records)).toEqual(['a', 'b', 'c', 'd']);
  expect(fetched).toMatchObject({ errorCode: 0, highWatermark: 4, lastStableOffset: 4, abortedTransactions: null });
});

test('an offset inside a batch gets the whole batch, however small the limits are', async () => {
  const fetched = await fetch('plain', 1, { maxBytes: 1, partitionMaxBytes: 1 });
  expect(valuesOf(fetched.records)).toEqual(['a', 'b']);
});

test('a later partition gets what room is left, in whole batches', async () => {
  const id = await topic('roomy', {}, 2);
  const batch = () => batchOf(['x'.repeat(1000)]);
  await produce('roomy', batch());
  await produce('roomy', batch(), { partition: 1 });
  const partitions = [0, 1].map((partition) => ({ partition, fetchOffset: 0, partitionMaxBytes: 1 << 20 }));
  const sizes = async (maxBytes: number) => {
    const answer = await ask(server.broker, 'Fetch', { topics: [{ topicId: id, partitions }], maxBytes });
    return answer.responses[0]!.partitions.map(({ records }) => valuesOf(records).length);
  };
  expect(await sizes(10_000)).toEqual([1, 1]);
  expect(await sizes(1500)).toEqual([1, 0]);
  expect(await sizes(10)).toEqual([1, 0]);
});

test.each([
  ['a partition that is not there', { partition: 7 }, 'UNKNOWN_TOPIC_OR_PARTITION'],
  ['acks that mean nothing', { acks: 2 }, 'INVALID_REQUIRED_ACKS'],
] as const)('produce refuses %s', async (_, options, error) => {
  expect(await produce('plain', batchOf(['x']), options)).toMatchObject({
    errorCode: ErrorCode[error],
    baseOffset: -1,
  });
});

test('produce refuses what is no single intact batch, and appends nothing', async () => {
  const end = (await fetch('plain', 0)).highWatermark;
  const broken = batchOf(['x']);
  broken[broken.length - 2]! ^= 1;
  expect((await produce('plain', broken)).errorCode).toBe(ErrorCode.CORRUPT_MESSAGE);
  expect((await produce('plain', null)).errorCode).toBe(ErrorCode.INVALID_RECORD);
  expect((await produce('plain', Buffer.alloc(0))).errorCode).toBe(ErrorCode.INVALID_RECORD);
  expect((await produce('plain', Buffer.concat([batchOf(['x']), batchOf(['y'])]))).errorCode).toBe(
    ErrorCode.INVALID_RECORD,
  );
  expect(
    (
      await produce(
        'plain',
        batchOf(['x'], { isTransactional: true, producerId: 1, producerEpoch: 0, baseSequence: 0 }),
      )
    ).errorCode,
  ).toBe(ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
  expect((await fetch('plain', 0)).highWatermark).toBe(end);
});

test('max.message.bytes is enforced', async () => {
  await topic('small', { 'max.message.bytes': '200' });
  expect((await produce('small', batchOf(['x'.repeat(300)]))).errorCode).toBe(ErrorCode.MESSAGE_TOO_LARGE);
  expect((await produce('small', batchOf(['x']))).errorCode).toBe(0);
});

test('unknown ids and names are told apart by version', async () => {
  expect((await produce('never-made', batchOf(['x']))).errorCode).toBe(ErrorCode.UNKNOWN_TOPIC_ID);
  expect((await produce('never-made', batchOf(['x']), { version: 12 })).errorCode).toBe(
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
  );
  const topics = [{ topic: 'never-made', partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 100 }] }];
  const byName = await ask(server.broker, 'Fetch', { topics }, 12);
  expect(byName.responses[0]).toMatchObject({ topic: 'never-made', partitions: [{ errorCode: 3, records: [] }] });
});

test("clients cannot write the coordinators' topics", async () => {
  await ask(server.broker, 'InitProducerId', { transactionalId: 'some', transactionTimeoutMs: 1000 });
  expect((await produce('__transaction_state', batchOf(['x']), { version: 12 })).errorCode).toBe(
    ErrorCode.INVALID_TOPIC_EXCEPTION,
  );
});

test('offsets out of range and epochs that are not ours', async () => {
  expect((await fetch('plain', 1000)).errorCode).toBe(ErrorCode.OFFSET_OUT_OF_RANGE);
  expect((await fetch('plain', -5)).errorCode).toBe(ErrorCode.OFFSET_OUT_OF_RANGE);
  const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 100, currentLeaderEpoch: 99 }];
  const ahead = await ask(server.broker, 'Fetch', { topics: [{ topicId: ids.get('plain')!, partitions }] });
  expect(ahead.responses[0]!.partitions[0]!.errorCode).toBe(ErrorCode.UNKNOWN_LEADER_EPOCH);
});

test('fetch sessions are declined', async () => {
  const topics = [{ topicId: ids.get('plain')!, partitions: [] }];
  expect((await ask(server.broker, 'Fetch', { topics, sessionEpoch: 0 })).sessionId).toBe(0);
  const incremental = await ask(server.broker, 'Fetch', { topics, sessionId: 5, sessionEpoch: 1 });
  expect(incremental.errorCode).toBe(ErrorCode.FETCH_SESSION_ID_NOT_FOUND);
});

test('a waiting fetch counts bytes up to min_bytes, and is woken by the last that was missing', async () => {
  const topicId = await topic('awaited');
  const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1 << 20 }];
  const size = batchOf(['x'.repeat(100)]).length;
  let isDone = false;
  const waiting = ask(server.broker, 'Fetch', {
    topics: [{ topicId, partitions }],
    minBytes: 2 * size,
    maxWaitMs: 20_000,
  });
  void waiting.then(() => (isDone = true));
  await produce('awaited', batchOf(['x'.repeat(100)]));
  expect(isDone).toBe(false);
  await produce('awaited', batchOf(['y'.repeat(100)]));
  expect(valuesOf((await waiting).responses[0]!.partitions[0]!.records)).toHaveLength(2);
});

test('ListOffsets: ends, times, the greatest time, and names of later versions', async () => {
  await topic('dated');
  for (const [index, timestampMs] of [100, 300, 200].entries()) {
    await produce('dated', batchOf([`v${index}`], {}, timestampMs));
  }
  const offsetAt = async (timestamp: number, version = 11) => {
    const topics = [{ name: 'dated', partitions: [{ partitionIndex: 0, timestamp }] }];
    const {
      offset,
      timestamp: time,
      errorCode,
    } = (await ask(server.broker, 'ListOffsets', { topics }, version)).topics[0]!.partitions[0]!;
    return [offset, time, errorCode];
  };
  expect(await offsetAt(-1)).toEqual([3, -1, 0]);
  expect(await offsetAt(-2)).toEqual([0, -1, 0]);
  expect(await offsetAt(-3)).toEqual([1, 300, 0]);
  expect(await offsetAt(-4)).toEqual([0, -1, 0]);
  expect(await offsetAt(-5)).toEqual([-1, -1, 0]);
  expect(await offsetAt(150)).toEqual([1, 300, 0]);
  expect(await offsetAt(0)).toEqual([0, 100, 0]);
  expect(await offsetAt(301)).toEqual([-1, -1, 0]);
  expect(await offsetAt(-3, 6)).toEqual([-1, -1, ErrorCode.UNSUPPORTED_VERSION]);
});

test('DeleteRecords moves the start, and nothing before it can be fetched', async () => {
  await topic('cut');
  for (const value of ['a', 'b', 'c']) await produce('cut', batchOf([value]));
  const remove = async (offset: number) => {
    const topics = [{ name: 'cut', partitions: [{ partitionIndex: 0, offset }] }];
    return (await ask(server.broker, 'DeleteRecords', { topics })).topics[0]!.partitions[0]!;
  };
  expect(await remove(2)).toEqual({ partitionIndex: 0, lowWatermark: 2, errorCode: 0 });
  expect((await fetch('cut', 1)).errorCode).toBe(ErrorCode.OFFSET_OUT_OF_RANGE);
  expect(valuesOf((await fetch('cut', 2)).records)).toEqual(['c']);
  expect(await remove(-1)).toMatchObject({ lowWatermark: 3 });
  expect((await remove(9)).errorCode).toBe(ErrorCode.OFFSET_OUT_OF_RANGE);
});

test('a transaction: added by Produce itself, unseen until it ends, aborted ones listed', async () => {
  await topic('atomic');
  const begun = await ask(server.broker, 'InitProducerId', { transactionalId: 'tx', transactionTimeoutMs: 60_000 });
  let { producerId, producerEpoch } = begun;
  const seen: string[][] = [];
  for (const committed of [false, true]) {
    const identity = { producerId, producerEpoch, baseSequence: 0, isTransactional: true };
    expect(await produce('atomic', batchOf([`${committed}`], identity), { transactionalId: 'tx' })).toMatchObject({
      errorCode: 0,
    });
    seen.push(valuesOf((await fetch('atomic', 0, { isolationLevel: 1 })).records));
    const ended = await ask(server.broker, 'EndTxn', { transactionalId: 'tx', producerId, producerEpoch, committed });
    expect(ended.errorCode).toBe(0);
    ({ producerId, producerEpoch } = ended);
  }
  expect(seen).toEqual([[], ['false']]);
  // The decision is durable when EndTxn answers; its marker, and with it the records, are seen one round later.
  const committed = await vi.waitFor(async () => {
    const fetched = await fetch('atomic', 0, { isolationLevel: 1 });
    expect(fetched.lastStableOffset).toBe(4);
    return fetched;
  });
  expect(committed.abortedTransactions).toEqual([{ producerId: begun.producerId, firstOffset: 0 }]);
  expect(valuesOf(committed.records)).toEqual(['false', 'true']);
});

test('below version 12 a partition must have been added', async () => {
  const options = { transactionalId: 'old', version: 9 };
  const begin = () => ask(server.broker, 'InitProducerId', { transactionalId: 'old', transactionTimeoutMs: 60_000 });
  const batch = (producerId: number, producerEpoch: number) =>
    batchOf(['x'], { producerId, producerEpoch, baseSequence: 0, isTransactional: true });
  const first = await begin();
  const refused = await produce('atomic', batch(first.producerId, first.producerEpoch), options);
  expect(refused.errorCode).toBe(ErrorCode.INVALID_TXN_STATE);
  const { producerId, producerEpoch } = await begin();
  const partitions = {
    ...{ v3AndBelowTransactionalId: 'old', v3AndBelowProducerId: producerId, v3AndBelowProducerEpoch: producerEpoch },
    v3AndBelowTopics: [{ name: 'atomic', partitions: [0] }],
  };
  const added = await ask(server.broker, 'AddPartitionsToTxn', partitions, 3);
  expect(added.resultsByTopicV3AndBelow[0]!.resultsByPartition).toEqual([{ partitionIndex: 0, partitionErrorCode: 0 }]);
  expect((await produce('atomic', batch(producerId, producerEpoch), options)).errorCode).toBe(0);
  const decision = { transactionalId: 'old', producerId, producerEpoch, committed: true };
  expect((await ask(server.broker, 'EndTxn', decision, 3)).errorCode).toBe(0);
});

test('everything is there after a restart', async () => {
  await server.restart();
  expect(valuesOf((await fetch('plain', 0)).records)).toEqual(['a', 'b', 'c', 'd']);
  expect(server.broker.recoveryCuts).toEqual([]);
  const { lastStableOffset, highWatermark } = await fetch('atomic', 0, { isolationLevel: 1 });
  expect(lastStableOffset).toBe(highWatermark);
});

test('a closed broker refuses', async () => {
  const other = await startTestBroker({ socket: false });
  await other.broker.close();
  await expect(ask(other.broker, 'Metadata', {})).rejects.toMatchObject({ code: 'TLR_CLOSED' });
  await other.close();
});
