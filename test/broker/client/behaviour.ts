// What the client promises, checked against a live broker: one suite for the embedded broker (in process and over its socket) and for real Kafka.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../../base/clock.ts';
import { silentLogger } from '../../../base/logger.ts';
import { systemRandom } from '../../../base/random.ts';
import { createClient } from '../../../broker/client/client.ts';
import {
  type Consumer,
  type ConsumerOptions,
  type FetchedBatches,
  type KafkaClient,
  type Transport,
} from '../../../broker/client/contract.ts';
import { BatchBuilder } from '../../../broker/wire/batch-builder.ts';
import { RecordCursor } from '../../../broker/wire/record-batch.ts';

export interface LiveBroker {
  transport: (clientId: string) => Transport;
  stop: () => Promise<void>;
}

let names = 0;
const uniqueName = (what: string) => `${what}-${process.pid}-${++names}`;

export function recordsOf(fetched: readonly FetchedBatches[]): { partition: number; offset: number; value: string }[] {
  const cursor = new RecordCursor();
  const records: { partition: number; offset: number; value: string }[] = [];
  for (const { batches, fromOffset, partition } of fetched) {
    for (const batch of batches) {
      cursor.open(batch);
      while (cursor.next()) {
        if (cursor.offset < fromOffset) continue;
        records.push({ partition, offset: cursor.offset, value: cursor.value()?.toString() ?? '' });
      }
    }
  }
  return records;
}

/** Polls until `count` values came. */
async function read(consumer: Consumer, count: number): Promise<string[]> {
  const values: string[] = [];
  const deadline = AbortSignal.timeout(20_000);
  while (values.length < count && !deadline.aborted) {
    values.push(...recordsOf(await consumer.poll(deadline)).map(({ value }) => value));
  }
  return values;
}

function batchOf(values: readonly string[]): BatchBuilder {
  const builder = new BatchBuilder();
  for (const value of values) builder.append(systemClock.now(), null, Buffer.from(value));
  return builder;
}

const numbered = (prefix: string, count: number) => Array.from({ length: count }, (_, index) => `${prefix}-${index}`);

export function describeClient(name: string, open: () => Promise<LiveBroker>): void {
  describe(`client of ${name}`, () => {
    let broker: LiveBroker;
    let client: KafkaClient;
    const newClient = () =>
      createClient({
        transport: broker.transport('behaviour'),
        clientId: 'behaviour',
        clock: systemClock,
        random: systemRandom,
        logger: silentLogger,
      });
    const newTopic = async (partitions = 1) => {
      const topic = uniqueName('topic');
      await client.admin().createTopic({ name: topic, partitions });
      return topic;
    };
    const newConsumer = (options: ConsumerOptions) =>
      client.consumer({ maxWaitMs: 200, sessionTimeoutMs: 6000, ...options });
    const readAll = async (topic: string, count: number, options: ConsumerOptions = {}) => {
      const consumer = newConsumer({ topics: [topic], ...options });
      await consumer.start();
      const values = await read(consumer, count);
      await consumer.close();
      return values;
    };

    beforeAll(async () => {
      broker = await open();
      client = newClient();
    }, 120_000);
    afterAll(async () => {
      await client.close();
      await broker.stop();
    }, 60_000);

    describe('admin', () => {
      it('creates, lists, describes, alters and deletes a topic', async () => {
        const admin = client.admin();
        const topic = uniqueName('admin');
        await admin.createTopic({ name: topic, partitions: 3, configs: { 'retention.ms': '3600000' } });
        await admin.createTopic({ name: topic }, { ifMissing: true });
        await expect(admin.createTopic({ name: topic })).rejects.toMatchObject({ errorName: 'TOPIC_ALREADY_EXISTS' });
        const [described] = await admin.topics([topic]);
        expect(described?.partitions.map(({ partition }) => partition)).toEqual([0, 1, 2]);
        expect(described?.topicId).toHaveLength(16);
        await expect(admin.describeConfigs(topic)).resolves.toMatchObject({
          'retention.ms': { value: '3600000', isDefault: false },
        });
        await admin.alterConfigs(topic, { 'retention.ms': null, 'segment.bytes': '1048576' });
        await expect
          .poll(() => admin.describeConfigs(topic))
          .toMatchObject({
            'retention.ms': { isDefault: true },
            'segment.bytes': { value: '1048576', isDefault: false },
          });
        await admin.deleteTopic(topic);
        await expect.poll(() => admin.topics([topic])).toEqual([]);
        await expect(admin.offsets(topic, 'latest')).rejects.toMatchObject({ errorName: 'UNKNOWN_TOPIC_OR_PARTITION' });
      });

      it('finds offsets by place and by time', async () => {
        const topic = await newTopic();
        const producer = client.producer();
        await producer.send([1000, 2000, 3000].map((timestampMs) => ({ topic, value: Buffer.from('x'), timestampMs })));
        const admin = client.admin();
        expect((await admin.offsets(topic, 'earliest')).get(0)).toBe(0);
        expect((await admin.offsets(topic, 'latest')).get(0)).toBe(3);
        expect((await admin.offsets(topic, { timestampMs: 1500 })).get(0)).toBe(1);
        expect((await admin.offsets(topic, { timestampMs: 9000 })).get(0)).toBe(3);
        await producer.close();
      });
    });

    describe('producer', () => {
      it('sends by key to the partition that the Java client would choose', async () => {
        const topic = await newTopic(4);
        const producer = client.producer();
        const keys = numbered('key', 40);
        await producer.send(keys.map((key) => ({ topic, key: Buffer.from(key), value: Buffer.from(key) })));
        const consumer = newConsumer({ topics: [topic] });
        await consumer.start();
        const partitions = new Map<string, number>();
        while (partitions.size < keys.length) {
          for (const { partition, value } of recordsOf(await consumer.poll())) partitions.set(value, partition);
        }
        // Made with org.apache.kafka.common.utils.Utils.murmur2 of kafka-clients 4.3.1.
        expect([...'0123456789'].map((digit) => partitions.get(`key-${digit}`))).toEqual([
          1, 0, 2, 3, 1, 0, 0, 3, 3, 1,
        ]);
        await consumer.close();
      });

      it('keeps the order of many batches that are under way at once', async () => {
        const topic = await newTopic();
        const producer = client.producer({ batchBytes: 500 });
        const sends = Array.from({ length: 30 }, (_, lot) =>
          producer.send(numbered(`lot${lot}`, 20).map((value) => ({ topic, partition: 0, value: Buffer.from(value) }))),
        );
        await Promise.all(sends);
        const values = await readAll(topic, 600);
        expect(values).toEqual(Array.from({ length: 30 }, (_, lot) => numbered(`lot${lot}`, 20)).flat());
      });

      it.each(['gzip', 'snappy', 'lz4', 'zstd'] as const)('round-trips %s', async (compression) => {
        const topic = await newTopic();
        await client
          .producer({ compression })
          .send(numbered('line', 200).map((value) => ({ topic, value: Buffer.from(value) })));
        expect(await readAll(topic, 200)).toEqual(numbered('line', 200));
      });

      it('reports a batch that the broker refuses, and lives on', async () => {
        const topic = await newTopic();
        await client.admin().alterConfigs(topic, { 'max.message.bytes': '1000' });
        const producer = client.producer();
        const large = { topic, value: Buffer.alloc(5000) };
        await expect
          .poll(() =>
            producer.send([large]).then(
              () => 'taken',
              (error: { errorName?: string }) => error.errorName,
            ),
          )
          .toBe('MESSAGE_TOO_LARGE');
        await producer.send([{ topic, value: Buffer.from('after') }]);
        expect((await readAll(topic, 1)).at(-1)).toBeDefined();
      });
    });

    describe('transactions', () => {
      it('show all of a transaction when it is committed and nothing of an aborted one', async () => {
        const topic = await newTopic(2);
        const producer = client.producer({ transactionalId: uniqueName('txn') });
        await producer.init();
        for (let round = 0; round < 6; round++) {
          const transaction = producer.begin();
          const kind = round % 2 === 0 ? 'keep' : 'drop';
          await transaction.sendBatch(topic, 0, batchOf(numbered(`${kind}${round}a`, 5)));
          void transaction.sendBatch(topic, 1, batchOf(numbered(`${kind}${round}b`, 5)));
          transaction.send([{ topic, partition: 0, value: Buffer.from(`${kind}${round}c`) }]);
          if (kind === 'keep') await transaction.commit();
          else await transaction.abort();
        }
        const expected = [0, 2, 4].flatMap((round) => [
          ...numbered(`keep${round}a`, 5),
          ...numbered(`keep${round}b`, 5),
          `keep${round}c`,
        ]);
        expect((await readAll(topic, expected.length)).sort()).toEqual(expected.sort());
        const everything = await readAll(topic, 66, { isolation: 'read_uncommitted' });
        expect(everything.filter((value) => value.startsWith('drop'))).toHaveLength(33);
        await producer.close();
      });

      it('hold read_committed readers back at an open transaction', async () => {
        const topic = await newTopic();
        const producer = client.producer({ transactionalId: uniqueName('txn') });
        await producer.init();
        const transaction = producer.begin();
        await transaction.sendBatch(topic, 0, batchOf(['open']));
        await client.producer().send([{ topic, partition: 0, value: Buffer.from('behind') }]);
        expect((await client.admin().offsets(topic, 'latest-stable')).get(0)).toBe(0);
        const consumer = newConsumer({ topics: [topic] });
        await consumer.start();
        expect(recordsOf(await consumer.poll())).toEqual([]);
        await transaction.commit();
        expect(await read(consumer, 2)).toEqual(['open', 'behind']);
        await consumer.close();
      });

      it('fence the older of two producers with one transactional id', async () => {
        const topic = await newTopic();
        const transactionalId = uniqueName('txn');
        const older = client.producer({ transactionalId });
        await older.init();
        const lost = older.begin();
        await lost.sendBatch(topic, 0, batchOf(['lost']));
        const newer = client.producer({ transactionalId });
        await newer.init();
        await expect(lost.commit()).rejects.toThrow();
        await expect(older.init()).rejects.toMatchObject({ code: 'TLR_FENCED' });
        const kept = newer.begin();
        await kept.sendBatch(topic, 0, batchOf(['kept']));
        await kept.commit();
        expect(await readAll(topic, 1)).toEqual(['kept']);
      });

      it('are not committed when one of their batches was refused', async () => {
        const topic = await newTopic();
        await client.admin().alterConfigs(topic, { 'max.message.bytes': '1000' });
        const producer = client.producer({ transactionalId: uniqueName('txn') });
        await producer.init();
        const attempt = async () => {
          const transaction = producer.begin();
          void transaction.sendBatch(topic, 0, batchOf(['small']));
          void transaction.sendBatch(topic, 0, batchOf([`large${'x'.repeat(5000)}`]));
          void transaction.sendBatch(topic, 0, batchOf(['behind']));
          return transaction.commit().then(
            () => 'taken',
            (error: { errorName?: string }) => error.errorName,
          );
        };
        // A real cluster takes a moment to apply the setting.
        await expect.poll(attempt).toBe('MESSAGE_TOO_LARGE');
        const transaction = producer.begin();
        await transaction.sendBatch(topic, 0, batchOf(['fine']));
        await transaction.commit();
        const values = await readAll(topic, 1);
        expect(values.at(-1)).toBe('fine');
        expect(values.filter((value) => value === 'small').length).toBe(
          values.filter((value) => value === 'behind').length,
        );
      });

      it('carry the offsets of a group, visible to require_stable readers only when decided', async () => {
        const topic = await newTopic();
        const groupId = uniqueName('group');
        await client
          .producer()
          .send(numbered('in', 10).map((value) => ({ topic, partition: 0, value: Buffer.from(value) })));
        const consumer = newConsumer({ groupId, topics: [topic] });
        await consumer.start();
        expect(await read(consumer, 10)).toHaveLength(10);
        const producer = client.producer({ transactionalId: uniqueName('txn') });
        await producer.init();
        const aborted = producer.begin();
        await aborted.sendOffsets([{ topic, partition: 0, offset: 3 }], consumer.groupMetadata());
        await aborted.abort();
        expect((await client.admin().groupOffsets(groupId, { stable: true })).get(topic)).toBeUndefined();
        const committed = producer.begin();
        const offset = { topic, partition: 0, offset: 7, metadata: 'account' };
        await committed.sendOffsets([offset], consumer.groupMetadata());
        await committed.commit();
        const stored = await client.admin().groupOffsets(groupId, { stable: true });
        expect(stored.get(topic)?.get(0)).toMatchObject({ offset: 7, metadata: 'account' });
        const zombie = producer.begin();
        const generation = consumer.groupMetadata().generation - 1;
        const stale = zombie.sendOffsets([offset], { ...consumer.groupMetadata(), generation });
        await expect(stale).rejects.toMatchObject({ code: 'TLR_FENCED' });
        await zombie.abort();
        await consumer.close();
        expect(await readAll(topic, 3, { groupId })).toEqual(['in-7', 'in-8', 'in-9']);
      });
    });

    describe('consumer', () => {
      it('seeks, pauses, resumes, and starts inside a batch', async () => {
        const topic = await newTopic(2);
        const producer = client.producer();
        await producer.send(numbered('a', 10).map((value) => ({ topic, partition: 0, value: Buffer.from(value) })));
        await producer.send(numbered('b', 5).map((value) => ({ topic, partition: 1, value: Buffer.from(value) })));
        const consumer = newConsumer({});
        await consumer.assign([
          { topic, partition: 0, offset: 7 },
          { topic, partition: 1 },
        ]);
        consumer.pause([{ topic, partition: 1 }]);
        expect(await read(consumer, 3)).toEqual(['a-7', 'a-8', 'a-9']);
        expect(recordsOf(await consumer.poll())).toEqual([]);
        expect(consumer.position({ topic, partition: 0 })).toBe(10);
        consumer.resume([{ topic, partition: 1 }]);
        expect(await read(consumer, 5)).toEqual(numbered('b', 5));
        consumer.seek({ topic, partition: 0 }, 9);
        expect(await read(consumer, 1)).toEqual(['a-9']);
        await consumer.close();
      });

      it('ends a waiting poll when its signal is aborted', async () => {
        const topic = await newTopic();
        const consumer = newConsumer({ topics: [topic], maxWaitMs: 25_000 });
        await consumer.start();
        const aborting = new AbortController();
        const polled = consumer.poll(aborting.signal);
        aborting.abort();
        expect(await polled).toEqual([]);
        await consumer.close();
      });

      it('reads batches larger than it asked for', async () => {
        const topic = await newTopic();
        const producer = client.producer();
        await producer.send([{ topic, value: Buffer.alloc(300_000, 'x') }]);
        await producer.send([{ topic, value: Buffer.alloc(300_000, 'y') }]);
        expect((await readAll(topic, 2, { maxBytes: 1000 })).map((value) => value.length)).toEqual([300_000, 300_000]);
      });
    });

    describe('group', () => {
      it('shares partitions, hands over where the other committed, and describes itself', async () => {
        const topic = await newTopic(4);
        const groupId = uniqueName('group');
        const events: string[] = [];
        const first = newConsumer({
          groupId,
          topics: [topic],
          onRevoked: (partitions) => {
            events.push(`revoked ${partitions.length}`);
            return first.commit(
              partitions.map((each) => ({ ...each, offset: first.position(each), metadata: 'by first' })),
            );
          },
          onAssigned: (partitions) => {
            events.push(`assigned ${partitions.length}`);
            return Promise.resolve();
          },
        });
        await first.start();
        expect(first.assignment()).toHaveLength(4);
        const producer = client.producer();
        const send = (round: number) =>
          producer.send(
            [0, 1, 2, 3].map((partition) => ({ topic, partition, value: Buffer.from(`${round}-${partition}`) })),
          );
        await send(1);
        expect((await read(first, 4)).sort()).toEqual(['1-0', '1-1', '1-2', '1-3']);
        const taken: string[] = [];
        const second = newConsumer({
          groupId,
          topics: [topic],
          onAssigned: (partitions) => {
            taken.push(...partitions.map(({ partition, offset, metadata }) => `${partition}@${offset} ${metadata}`));
            return Promise.resolve();
          },
        });
        const joined = second.start();
        let done = false;
        void joined.then(() => (done = true));
        while (!done) await first.poll();
        await expect.poll(() => first.poll().then(() => first.assignment().length)).toBe(2);
        expect(second.assignment()).toHaveLength(2);
        expect(taken).toHaveLength(2);
        for (const each of taken) expect(each).toMatch(/^\d@1 by first$/);
        expect(events).toEqual(['assigned 4', 'revoked 4', 'assigned 2']);
        await send(2);
        const values = [...(await read(first, 2)), ...(await read(second, 2))];
        expect(values.sort()).toEqual(['2-0', '2-1', '2-2', '2-3']);
        const description = await client.admin().describeGroup(groupId);
        expect(description).toMatchObject({ state: 'Stable', protocolType: 'consumer' });
        expect(description.members.map(({ assignment }) => assignment.get(topic)?.length)).toEqual([2, 2]);
        await second.close();
        await expect.poll(() => first.poll().then(() => first.assignment().length), { timeout: 15_000 }).toBe(4);
        await first.close();
        const listed = (await client.admin().listGroups()).find((group) => group.groupId === groupId);
        expect(listed).toMatchObject({ protocolType: 'consumer', state: 'Empty' });
        await client.admin().commitGroupOffsets(groupId, [{ topic, partition: 0, offset: 0 }]);
        expect((await client.admin().groupOffsets(groupId)).get(topic)?.get(0)?.offset).toBe(0);
        await client.admin().deleteGroup(groupId);
        expect((await client.admin().describeGroup(groupId)).state).toBe('Dead');
      });

      it('gives a topic that appears later to its subscribers', async () => {
        const topic = uniqueName('later');
        const consumer = newConsumer({ groupId: uniqueName('group'), topics: [topic] });
        await consumer.start();
        expect(consumer.assignment()).toEqual([]);
        await client.admin().createTopic({ name: topic, partitions: 2 });
        await expect
          .poll(() => consumer.poll().then(() => consumer.assignment().length), { timeout: 15_000, interval: 20 })
          .toBe(2);
        await consumer.close();
      });

      it('refuses the commit of a member whose generation is over', async () => {
        const topic = await newTopic();
        const groupId = uniqueName('group');
        const stale = newConsumer({ groupId, topics: [topic], instanceId: 'one' });
        await stale.start();
        const successor = newConsumer({ groupId, topics: [topic], instanceId: 'one' });
        await successor.start();
        expect(successor.assignment()).toHaveLength(1);
        await expect(stale.commit([{ topic, partition: 0, offset: 1 }])).rejects.toMatchObject({ code: 'TLR_FENCED' });
        await successor.commit([{ topic, partition: 0, offset: 2 }]);
        await stale.close();
        await successor.close();
      });
    });
  });
}
