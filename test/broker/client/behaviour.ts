// What the client promises, checked against a live broker: one suite for the embedded broker (in process and over its socket) and for real Kafka.
import { describe, expect, it } from 'vitest';
import { type LiveBroker, nameOfError, numbered, openBench, read, recordsOf, uniqueName } from './bench.ts';
import { describeTransactions } from './behaviour-of-transactions.ts';

export function describeClient(name: string, open: () => Promise<LiveBroker>): void {
  describe(`client of ${name}`, () => {
    const bench = openBench(open);
    const { newTopic, newConsumer, readAll } = bench;

    describe('admin', () => {
      it('creates, lists, describes, alters and deletes a topic', async () => {
        const admin = bench.client.admin();
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
        const producer = bench.client.producer();
        await producer.send([1000, 2000, 3000].map((timestampMs) => ({ topic, value: Buffer.from('x'), timestampMs })));
        const admin = bench.client.admin();
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
        const producer = bench.client.producer();
        const keys = numbered('key', 40);
        await producer.send(keys.map((key) => ({ topic, key: Buffer.from(key), value: Buffer.from(key) })));
        const consumer = newConsumer({ topics: [topic] });
        await consumer.start();
        const partitions = new Map<string, number>();
        while (partitions.size < keys.length) {
          for (const { partition, value } of recordsOf(await consumer.poll())) partitions.set(value, partition);
        }
        // Made with org.apache.kafka.common.utils.Utils.murmur2 of kafka-clients 4.3.1.
        expect(numbered('key', 10).map((key) => partitions.get(key))).toEqual([1, 0, 2, 3, 1, 0, 0, 3, 3, 1]);
        await consumer.close();
      });

      it('keeps the order of many batches that are under way at once', async () => {
        const topic = await newTopic();
        const producer = bench.client.producer({ batchBytes: 500 });
        const sends = Array.from({ length: 30 }, (_, lot) =>
          producer.send(numbered(`lot${lot}`, 20).map((value) => ({ topic, partition: 0, value: Buffer.from(value) }))),
        );
        await Promise.all(sends);
        const values = await readAll(topic, 600);
        expect(values).toEqual(Array.from({ length: 30 }, (_, lot) => numbered(`lot${lot}`, 20)).flat());
      });

      it.each(['gzip', 'snappy', 'lz4', 'zstd'] as const)('round-trips %s', async (compression) => {
        const topic = await newTopic();
        await bench.client
          .producer({ compression })
          .send(numbered('line', 200).map((value) => ({ topic, value: Buffer.from(value) })));
        expect(await readAll(topic, 200)).toEqual(numbered('line', 200));
      });

      it('keeps the order of batches of which some take long to compress', async () => {
        const topic = await newTopic();
        const producer = bench.client.producer({ compression: 'gzip' });
        const values = numbered('lot', 12).map((name, index) => name + (index % 3 === 0 ? 'abc'.repeat(200_000) : ''));
        await Promise.all(values.map((value) => producer.send([{ topic, partition: 0, value: Buffer.from(value) }])));
        expect((await readAll(topic, 12)).map((value) => value.slice(0, 8))).toEqual(
          values.map((value) => value.slice(0, 8)),
        );
      });

      it('reports a batch that the broker refuses, and lives on', async () => {
        const topic = await newTopic();
        await bench.client.admin().alterConfigs(topic, { 'max.message.bytes': '1000' });
        const producer = bench.client.producer();
        const large = { topic, value: Buffer.alloc(5000) };
        await expect.poll(() => producer.send([large]).then(() => 'taken', nameOfError)).toBe('MESSAGE_TOO_LARGE');
        await producer.send([{ topic, value: Buffer.from('after') }]);
        expect((await readAll(topic, 1)).at(-1)).toBeDefined();
      });
    });

    describeTransactions(bench);

    describe('consumer', () => {
      it('seeks, pauses, resumes, and starts inside a batch', async () => {
        const topic = await newTopic(2);
        const producer = bench.client.producer();
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
        const producer = bench.client.producer();
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
        const producer = bench.client.producer();
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
        const progress = { joined: false };
        void joined.then(() => (progress.joined = true));
        while (!progress.joined) await first.poll();
        await expect.poll(() => first.poll().then(() => first.assignment().length)).toBe(2);
        expect(second.assignment()).toHaveLength(2);
        expect(taken).toHaveLength(2);
        for (const each of taken) expect(each).toMatch(/^\d@1 by first$/);
        expect(events).toEqual(['assigned 4', 'revoked 4', 'assigned 2']);
        await send(2);
        const values = [...(await read(first, 2)), ...(await read(second, 2))];
        expect(values.sort()).toEqual(['2-0', '2-1', '2-2', '2-3']);
        const description = await bench.client.admin().describeGroup(groupId);
        expect(description).toMatchObject({ state: 'Stable', protocolType: 'consumer' });
        expect(description.members.map(({ assignment }) => assignment.get(topic)?.length)).toEqual([2, 2]);
        await second.close();
        await expect.poll(() => first.poll().then(() => first.assignment().length), { timeout: 15_000 }).toBe(4);
        await first.close();
        const listed = (await bench.client.admin().listGroups()).find((group) => group.groupId === groupId);
        expect(listed).toMatchObject({ protocolType: 'consumer', state: 'Empty' });
        await bench.client.admin().commitGroupOffsets(groupId, [{ topic, partition: 0, offset: 0 }]);
        expect((await bench.client.admin().groupOffsets(groupId)).get(topic)?.get(0)?.offset).toBe(0);
        await bench.client.admin().deleteGroup(groupId);
        expect((await bench.client.admin().describeGroup(groupId)).state).toBe('Dead');
      });

      it('gives a topic that appears later to its subscribers', async () => {
        const topic = uniqueName('later');
        const consumer = newConsumer({ groupId: uniqueName('group'), topics: [topic] });
        await consumer.start();
        expect(consumer.assignment()).toEqual([]);
        await bench.client.admin().createTopic({ name: topic, partitions: 2 });
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
