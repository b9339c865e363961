// A broker that restarts under a client with sockets: the crash-only producer begins anew, the consumer goes on, and nothing is lost or doubled.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../../base/clock.ts';
import { silentLogger } from '../../../base/logger.ts';
import { systemRandom } from '../../../base/random.ts';
import { createClient } from '../../../broker/client/client.ts';
import type { KafkaClient, Producer } from '../../../broker/client/contract.ts';
import { parseBootstrap, SocketTransport } from '../../../broker/client/socket-transport.ts';
import { startTestBroker, type TestBroker } from '../../support/test-broker.ts';
import { batchOf, recordsOf } from './bench.ts';

describe('a broker that restarts', () => {
  let server: TestBroker;
  let client: KafkaClient;
  beforeAll(async () => {
    server = await startTestBroker({ settings: { 'group.min.session.timeout.ms': 500 } });
    const transport = new SocketTransport({
      bootstrap: parseBootstrap(server.bootstrap),
      clientId: 'restart',
      clock: systemClock,
    });
    const dependencies = { clientId: 'restart', clock: systemClock, random: systemRandom, logger: silentLogger };
    client = createClient({ transport, ...dependencies });
  });
  afterAll(async () => {
    await client.close();
    await server.close();
  });

  async function committedOrAgain(producer: Producer, value: string): Promise<void> {
    for (;;) {
      try {
        const transaction = producer.begin();
        void transaction.sendBatch('t', 0, batchOf([value])).catch(() => undefined);
        await transaction.commit();
        return;
      } catch {
        await producer.init();
      }
    }
  }

  it('costs its clients nothing but patience', async () => {
    await client.admin().createTopic({ name: 't' });
    const producer = client.producer({ transactionalId: 'restarted' });
    await producer.init();
    const consumer = client.consumer({ groupId: 'g', topics: ['t'], maxWaitMs: 100, sessionTimeoutMs: 1500 });
    await consumer.start();
    const seen: string[] = [];
    const readUntil = async (last: string) => {
      while (!seen.includes(last)) {
        const fetched = await consumer.poll();
        seen.push(...recordsOf(fetched).map(({ value }) => value));
        for (const { topic, partition, nextOffset } of fetched) {
          await consumer.commit([{ topic, partition, offset: nextOffset }]).catch(() => undefined);
        }
      }
    };
    await committedOrAgain(producer, 'before');
    await readUntil('before');
    const open = producer.begin();
    await open.sendBatch('t', 0, batchOf(['open at the restart']));
    await server.restart();
    // Whether this one is committed or refused, the same producer goes on, and the reader sees either all or nothing of it.
    const wasCommitted = await open.commit().then(
      () => true,
      () => false,
    );
    if (!wasCommitted) await producer.init();
    await committedOrAgain(producer, 'after');
    await readUntil('after');
    expect(seen).toEqual(['before', ...(wasCommitted ? ['open at the restart'] : []), 'after']);
    await consumer.close();
    await producer.close();
  });
});
