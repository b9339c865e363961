// What clients of other makers trip over on young brokers, one test for each trap, over the socket. The first words of a name say whose the trap is.
// Traps that other tests cover stand in the list at the end, which is checked against those files. Groups: traps-of-groups.test.ts.
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { advertisedApis, finalizedFeatures, handlers } from '../../broker/handlers/table.ts';
import { type ApiName, apis, type RequestOf, type ResponseOf } from '../../broker/wire/apis.ts';
import { encodeRequest } from '../../broker/wire/frame.ts';
import { ErrorCode } from '../../broker/wire/errors.ts';
import { forEachBatch, sealBatch } from '../../broker/wire/record-batch.ts';
import type { Draft } from '../../broker/wire/schema.ts';
import { RawClient } from '../support/raw-client.ts';
import { startTestBroker, type TestBroker } from '../support/test-broker.ts';
import { batchOf, valuesOf } from '../support/text-batches.ts';

let server: TestBroker;
let client: RawClient;

beforeAll(async () => {
  server = await startTestBroker();
  client = await RawClient.connect(server.port);
  for (const name of ['lines', 'other']) await create(name);
  await create('keyed', { 'cleanup.policy': 'compact' });
});
afterAll(async () => {
  client.close();
  await server.close();
});

function ask<K extends ApiName>(api: K, version: number, draft: Draft<RequestOf<K>>): Promise<ResponseOf<K>> {
  return client.request(api, version, apis[api].request.create(draft));
}

async function create(name: string, configs: Record<string, string> = {}): Promise<void> {
  const entries = Object.entries(configs).map(([key, value]) => ({ name: key, value }));
  await ask('CreateTopics', 7, { topics: [{ name, numPartitions: 1, replicationFactor: 1, configs: entries }] });
}

async function produce(name: string, records: Buffer, version = 9) {
  const topicData = [{ name, partitionData: [{ index: 0, records }] }];
  const answer = await ask('Produce', version, { acks: -1, timeoutMs: 5000, topicData });
  return answer.responses[0]!.partitionResponses[0]!;
}

const wanted = (topic: string, fetchOffset: number, partition = 0) => ({
  ...{ topic, partitions: [{ partition, fetchOffset, partitionMaxBytes: 1 << 20 }] },
});

describe('frames and versions', () => {
  test('every client: each version of each API that is advertised is answered, be the request as empty as it may', async () => {
    const own = await RawClient.connect(server.port);
    for (const { api, versions } of Object.values(handlers)) {
      for (let version = versions[0]; version <= versions[1]; version++) {
        const body = apis[api].request.create();
        if ('acks' in body) body.acks = -1;
        const { bytes, answer } = own.prepare(api, version, body);
        own.socket.write(bytes);
        await expect(answer, `${api} ${version}`).resolves.toBeDefined();
      }
    }
    own.close();
  });

  test('Java clients: a client id may be null, and is not compact in flexible versions either', async () => {
    const own = await RawClient.connect(server.port);
    const answered = new Promise((resolve) => own.socket.once('data', resolve));
    own.socket.write(
      Buffer.concat(encodeRequest('Metadata', 12, 7, null, apis.Metadata.request.create({ topics: [] }))),
    );
    expect(await answered).toBeDefined();
    own.close();
  });

  const range = (api: ApiName) => advertisedApis.find((known) => known.api === api)!.versions;

  test('librdkafka: Produce is advertised from version 0, or compression is dropped silently (KAFKA-18659)', () => {
    expect(range('Produce')[0]).toBe(0);
  });

  test('librdkafka: headers, zstd and idempotence are turned on by ranges of versions', () => {
    const includes = ([first, last]: readonly [number, number], version: number) => first <= version && version <= last;
    for (const version of [3, 7]) expect(includes(range('Produce'), version)).toBe(true);
    for (const version of [4, 10]) expect(includes(range('Fetch'), version)).toBe(true);
    expect(includes(range('InitProducerId'), 0)).toBe(true);
  });

  test('old Java clients: SaslHandshake above version 1 is never advertised (KAFKA-9577)', () => {
    expect(range('SaslHandshake')[1]).toBe(1);
  });

  test('Java clients: telemetry is not advertised, or they push it', () => {
    expect(advertisedApis.map(({ key }) => key)).not.toEqual(expect.arrayContaining([71]));
    expect(advertisedApis.map(({ key }) => key)).not.toEqual(expect.arrayContaining([72]));
  });

  test('Java clients: transaction.version 2 comes with Produce 12 and EndTxn 5 (KIP-890)', async () => {
    expect(finalizedFeatures.get('transaction.version')).toBe(2);
    expect(range('Produce')[1]).toBeGreaterThanOrEqual(12);
    expect(range('EndTxn')[1]).toBeGreaterThanOrEqual(5);
    const software = { clientSoftwareName: 'raw', clientSoftwareVersion: '1.0' };
    const { finalizedFeatures: said } = await ask('ApiVersions', 4, software);
    expect(said).toContainEqual({ name: 'transaction.version', maxVersionLevel: 2, minVersionLevel: 2 });
  });

  test.each([
    ['', '1'],
    ['-x', '1'],
    ['raw', 'ü'],
    ['raw', '1 0'],
  ])('Kafka: the software name %j with version %j is refused, not the connection (KIP-511)', async (name, version) => {
    const names = { clientSoftwareName: name, clientSoftwareVersion: version };
    expect((await ask('ApiVersions', 3, names)).errorCode).toBe(ErrorCode.INVALID_REQUEST);
    const good = { clientSoftwareName: 'raw', clientSoftwareVersion: '1.0-SNAPSHOT' };
    expect((await ask('ApiVersions', 3, good)).errorCode).toBe(0);
  });

  test('Java admin: operations that were not asked for are INT32_MIN, and nothing is throttled', async () => {
    const metadata = await ask('Metadata', 9, { topics: [{ name: 'lines' }] });
    expect(metadata).toMatchObject({ throttleTimeMs: 0, clusterAuthorizedOperations: -2147483648 });
    expect(metadata.topics[0]!.topicAuthorizedOperations).toBe(-2147483648);
    expect((await ask('DescribeCluster', 1, {})).clusterAuthorizedOperations).toBe(-2147483648);
  });

  test('librdkafka: brokers are named by an IPv4 address, since localhost may resolve to ::1', async () => {
    const { brokers } = await ask('Metadata', 1, { topics: [] });
    expect(brokers).toMatchObject([{ host: '127.0.0.1', port: server.port }]);
  });
});

describe('Produce', () => {
  test.each([-1, 0, 99])(
    'franz-go, Sarama: the leader epoch in a batch, such as %i, is nobody’s business',
    async (epoch) => {
      const batch = batchOf(['any epoch']);
      batch.writeInt32BE(epoch, 12);
      expect((await produce('lines', batch)).errorCode).toBe(0);
    },
  );

  test('every client: the bytes under the checksum are kept as they came', async () => {
    const batch = batchOf(['kept', 'as', 'sent'], { compression: 'gzip' });
    const sent = Buffer.from(batch.subarray(17));
    const { baseOffset } = await produce('lines', batch);
    const { responses } = await ask('Fetch', 12, { maxBytes: 1 << 20, topics: [wanted('lines', baseOffset)] });
    const bytes = Buffer.concat(responses[0]!.partitions[0]!.records);
    expect(bytes.subarray(17).equals(sent)).toBe(true);
    forEachBatch(bytes, (header) => expect(header.baseOffset).toBe(baseOffset));
  });

  test('Java clients: a record without a key in a compacted topic is named by its index', async () => {
    const refused = await produce('keyed', batchOf(['without key', 'nor this']));
    expect(refused).toMatchObject({ errorCode: ErrorCode.INVALID_RECORD, baseOffset: -1 });
    expect(refused.recordErrors.map(({ batchIndex }) => batchIndex)).toEqual([0, 1]);
    expect(refused.errorMessage).not.toBeNull();
  });

  test('every client: one partition that is refused does not hold the others of the request', async () => {
    const damaged = batchOf(['damaged']);
    damaged[damaged.length - 1]! ^= 1;
    const topicData = [
      { name: 'lines', partitionData: [{ index: 0, records: damaged }, { index: 9, records: batchOf(['nowhere']) }] },
      { name: 'other', partitionData: [{ index: 0, records: batchOf(['fine']) }] },
    ]; // prettier-ignore
    const answer = await ask('Produce', 9, { acks: -1, timeoutMs: 5000, topicData });
    const codes = answer.responses.flatMap((topic) => topic.partitionResponses.map(({ errorCode }) => errorCode));
    expect(codes).toEqual([ErrorCode.CORRUPT_MESSAGE, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, 0]);
  });

  test('old producers: magic 0 and 1 are refused', async () => {
    const batch = batchOf(['old']);
    batch[16] = 1;
    sealBatch(batch, 0, batch.length);
    const { errorCode } = await produce('lines', batch);
    expect([ErrorCode.UNSUPPORTED_FOR_MESSAGE_FORMAT, ErrorCode.INVALID_RECORD, ErrorCode.CORRUPT_MESSAGE]).toContain(errorCode); // prettier-ignore
  });
});

describe('Fetch', () => {
  test('Java clients: a partition with an error is answered at once, whatever max_wait says', async () => {
    const end = (await produce('other', batchOf(['end']))).baseOffset + 1;
    const topics = [wanted('other', end), wanted('lines', 0, 7), wanted('nowhere', 0)];
    const answer = await ask('Fetch', 12, { maxWaitMs: 60_000, minBytes: 1, maxBytes: 1 << 20, topics });
    const codes = answer.responses.flatMap(({ partitions }) => partitions.map(({ errorCode }) => errorCode));
    const unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
    expect(codes).toEqual([0, unknown, unknown]);
    const beyond = { maxWaitMs: 60_000, minBytes: 1, maxBytes: 1 << 20, topics: [wanted('other', end + 100)] };
    const outside = (await ask('Fetch', 12, beyond)).responses[0]!.partitions[0]!;
    expect(outside.errorCode).toBe(ErrorCode.OFFSET_OUT_OF_RANGE);
  });

  test('every client: partitions are answered in the order of the request', async () => {
    const topics = [wanted('other', 0), wanted('keyed', 0), wanted('lines', 0)];
    const answer = await ask('Fetch', 12, { maxBytes: 1 << 20, topics });
    expect(answer.responses.map(({ topic }) => topic)).toEqual(['other', 'keyed', 'lines']);
  });

  test('read_committed: the end of a transaction wakes a fetch, and only stable bytes count', async () => {
    await create('atomic');
    const { producerId, producerEpoch } = await ask('InitProducerId', 4, {
      ...{ transactionalId: 'waker', transactionTimeoutMs: 60_000, producerId: -1, producerEpoch: -1 },
    });
    const records = batchOf(['inside'], { producerId, producerEpoch, baseSequence: 0, isTransactional: true });
    const topicData = [{ name: 'atomic', partitionData: [{ index: 0, records }] }];
    await ask('Produce', 12, { transactionalId: 'waker', acks: -1, timeoutMs: 5000, topicData });
    const reader = await RawClient.connect(server.port);
    const topics = [wanted('atomic', 0)];
    const asked = { maxWaitMs: 60_000, minBytes: 1, maxBytes: 1 << 20, isolationLevel: 1, topics };
    const waiting = reader.request('Fetch', 12, apis.Fetch.request.create(asked));
    await expect.poll(() => server.broker.waitingRequests, { timeout: 30_000 }).toBe(1);
    await ask('EndTxn', 4, { transactionalId: 'waker', producerId, producerEpoch, committed: true });
    const [partition] = (await waiting).responses[0]!.partitions;
    expect(valuesOf(partition!.records)).toEqual(['inside']);
    reader.close();
  });
});

describe('administration', () => {
  test('every admin: CreatePartitions names its topics in the answer', async () => {
    await create('grown');
    const topics = [{ name: 'grown', count: 3, assignments: null }];
    const { results } = await ask('CreatePartitions', 3, { topics, timeoutMs: 5000 });
    expect(results).toMatchObject([{ name: 'grown', errorCode: 0 }]);
  });

  test('librdkafka: right after a topic was made by Metadata it has all its partitions', async () => {
    const answer = await ask('Metadata', 9, { topics: [{ name: 'asked-for' }], allowAutoTopicCreation: true });
    const [topic] = answer.topics;
    if (topic!.errorCode !== ErrorCode.LEADER_NOT_AVAILABLE) expect(topic!.partitions).toHaveLength(1);
  });
});

/** Traps that other tests are about: file and name of the test. */
// prettier-ignore
const elsewhere: readonly (readonly [trap: string, file: string, test: string])[] = [
  ['a size is checked before memory is taken', 'server/frame-reader', 'a size above the limit is refused by its four bytes alone'],
  ['an HTTP request on the port', 'server/frame-reader', 'an HTTP request is named as one'],
  ['an unknown API or version, or a malformed body, closes the connection', 'server/connection', '%s closes the connection with one line in the log'],
  ['answers leave in the order of the requests', 'server/connection', 'requests sent in one write act and are answered in their order'],
  ['ApiVersions is answered in version 0 when asked too new', 'server/connection', 'ApiVersions of an unknown version is answered in version 0 with error 35 and the list'],
  ['acks=0 has no answer', 'server/connection', 'acks=0 is not answered, and what follows it is'],
  ['acks=0 that fails closes', 'server/connection', 'acks=0 that fails closes the connection'],
  ['Metadata names the listener that was used', 'server/connection', 'clients are sent to where they came in, or to what is advertised'],
  ['no records are empty, not null', 'server/connection', 'a fetch at the end answers empty, not null, when its time is up'],
  ['one intact batch', 'handlers/records', 'produce refuses what is no single intact batch, and appends nothing'],
  ['max.message.bytes', 'handlers/records', 'max.message.bytes is enforced'],
  ['the batch that holds the offset comes whole', 'handlers/records', 'an offset inside a batch gets the whole batch, however small the limits are'],
  ['room for later partitions', 'handlers/records', 'a later partition gets what room is left, in whole batches'],
  ['min_bytes', 'handlers/records', 'a waiting fetch counts bytes up to min_bytes, and is woken by the last that was missing'],
  ['offsets out of range, leader epochs', 'handlers/records', 'offsets out of range and epochs that are not ours'],
  ['sessions', 'handlers/records', 'fetch sessions are declined'],
  ['ListOffsets by time', 'handlers/records', 'ListOffsets: ends, times, the greatest time, and names of later versions'],
  ['unknown topic ids', 'handlers/records', 'unknown ids and names are told apart by version'],
  ['aborted transactions are listed', 'handlers/records', 'a transaction: added by Produce itself, unseen until it ends, aborted ones listed'],
  ['auto-creation', 'handlers/topics', 'creates a topic that is asked for by name, with its partitions in the same answer'],
  ['auto-creation is forbidden', 'handlers/topics', 'creates nothing where the request or the name forbids it'],
  ['null, none and all topics', 'handlers/topics', 'null means all topics, an empty list none, and in version 0 all'],
  ['settings with their defaults', 'handlers/broker-settings', 'are shown with where they come from, and which of them can be altered'],
  ['a repeated batch has its first offset', 'log/producers', 'is answered with the first offset when it repeats one of its last five batches'],
  ['an unknown producer begins anywhere', 'log/producers', 'may begin anywhere when it is not known, then not skip'],
  ['a new epoch begins at 0', 'log/producers', 'begins again at 0 with a new epoch; the old one is fenced'],
  ['sequences wrap', 'log/producers', 'goes on at 0 after sequence 2147483647, also within a batch'],
  ['producers expire', 'log/producers', 'is forgotten when it has not written for a day'],
  ['the aborted set of the Java client', 'client/aborted-filter', 'passes on exactly what was committed, whatever part of the log a response holds'],
  ['timeouts above the maximum', 'coordinator/transaction-coordinator', 'gives ids without a transactional id, refuses bad timeouts and halves of an identity'],
  ['InitProducerId aborts what is open', 'coordinator/transaction-coordinator', 'is fenced by the next one of its id, whose init aborts what was open'],
  ['EndTxn comes twice', 'coordinator/transaction-coordinator', 'add their partitions first, and repeat EndTxn under the same epoch'],
  ['timeouts of transactions', 'coordinator/transaction-coordinator', 'still aborts at the timeout'],
  ['unstable offsets (KIP-447)', 'coordinator/transaction-coordinator', 'hold with the commit, are unstable until then, and vanish with an abort'],
  ['a pending sync', 'coordinator/group-coordinator', 'drops a leader that beats but never brings the assignment'],
  ['an empty assignment can be read', 'coordinator/group-coordinator', 'gives a consumer without a share an assignment that it can read'],
  ['static members', 'coordinator/group-coordinator', 'comes back under a new id without a rebalance, and fences its former self (KIP-345, KIP-814)'],
  ['commits from outside of a group', 'coordinator/group-coordinator', 'are for members of the current generation, or for anybody while the group is empty'],
  ['offsets expire', 'coordinator/group-coordinator', 'expire a while after the group has become empty'],
];

test.each(elsewhere)('elsewhere: %s', (_trap, file, name) => {
  const text = readFileSync(new URL(`${file}.test.ts`, import.meta.url), 'utf8');
  expect(text.includes(`'${name}'`)).toBe(true);
});
