// The part of the behaviour suite that is about transactions.
import { describe, expect, it } from 'vitest';
import { batchOf, type Bench, nameOfError, numbered, read, recordsOf, uniqueName } from './bench.ts';

export function describeTransactions(bench: Bench): void {
  const { newTopic, newConsumer, readAll } = bench;
  describe('transactions', () => {
    it('show all of a transaction when it is committed and nothing of an aborted one', async () => {
      const topic = await newTopic(2);
      const producer = bench.client.producer({ transactionalId: uniqueName('txn') });
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
      const producer = bench.client.producer({ transactionalId: uniqueName('txn') });
      await producer.init();
      const transaction = producer.begin();
      await transaction.sendBatch(topic, 0, batchOf(['open']));
      await bench.client.producer().send([{ topic, partition: 0, value: Buffer.from('behind') }]);
      expect((await bench.client.admin().offsets(topic, 'latest-stable')).get(0)).toBe(0);
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
      const older = bench.client.producer({ transactionalId });
      await older.init();
      const lost = older.begin();
      await lost.sendBatch(topic, 0, batchOf(['lost']));
      const newer = bench.client.producer({ transactionalId });
      await newer.init();
      await expect(lost.commit()).rejects.toThrow();
      await expect(older.init()).rejects.toMatchObject({ code: 'TLR_FENCED' });
      const kept = newer.begin();
      await kept.sendBatch(topic, 0, batchOf(['kept']));
      await kept.commit();
      expect(await readAll(topic, 1)).toEqual(['kept']);
    });

    it('that were given up are aborted by init() of the same producer, which is not fenced by itself', async () => {
      const topic = await newTopic();
      const producer = bench.client.producer({ transactionalId: uniqueName('txn') });
      for (let round = 0; round < 3; round++) {
        await producer.init();
        const transaction = producer.begin();
        await transaction.sendBatch(topic, 0, batchOf([`given up ${round}`]));
      }
      await producer.init();
      const kept = producer.begin();
      await kept.sendBatch(topic, 0, batchOf(['kept']));
      await kept.commit();
      expect(await readAll(topic, 1)).toEqual(['kept']);
    });

    it('are not committed when one of their batches was refused', async () => {
      const topic = await newTopic();
      await bench.client.admin().alterConfigs(topic, { 'max.message.bytes': '1000' });
      const producer = bench.client.producer({ transactionalId: uniqueName('txn') });
      await producer.init();
      const attempt = async () => {
        const transaction = producer.begin();
        void transaction.sendBatch(topic, 0, batchOf(['small']));
        void transaction.sendBatch(topic, 0, batchOf([`large${'x'.repeat(5000)}`]));
        void transaction.sendBatch(topic, 0, batchOf(['behind']));
        return transaction.commit().then(() => 'taken', nameOfError);
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
      await bench.client
        .producer()
        .send(numbered('in', 10).map((value) => ({ topic, partition: 0, value: Buffer.from(value) })));
      const consumer = newConsumer({ groupId, topics: [topic] });
      await consumer.start();
      expect(await read(consumer, 10)).toHaveLength(10);
      const producer = bench.client.producer({ transactionalId: uniqueName('txn') });
      await producer.init();
      const aborted = producer.begin();
      await aborted.sendOffsets([{ topic, partition: 0, offset: 3 }], consumer.groupMetadata());
      await aborted.abort();
      expect(
        (await bench.client.admin().groupOffsets(groupId, { stable: true, partitions: [{ topic, partition: 0 }] })).get(
          topic,
        ),
      ).toBeUndefined();
      const committed = producer.begin();
      const offset = { topic, partition: 0, offset: 7, metadata: 'account' };
      await committed.sendOffsets([offset], consumer.groupMetadata());
      await committed.commit();
      const stored = await bench.client
        .admin()
        .groupOffsets(groupId, { stable: true, partitions: [{ topic, partition: 0 }] });
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
}
