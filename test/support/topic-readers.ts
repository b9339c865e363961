// Readers of a topic for histories: one that follows it over a socket while its broker dies again and again, and one that reads all of it afterwards.
import { setTimeout as wait } from 'node:timers/promises';
import { systemClock } from '../../base/clock.ts';
import { silentLogger } from '../../base/logger.ts';
import { systemRandom } from '../../base/random.ts';
import { createClient } from '../../broker/client/client.ts';
import type { Consumer, FetchedBatches, KafkaClient, Transport } from '../../broker/client/contract.ts';
import { InProcessTransport } from '../../broker/client/in-process-transport.ts';
import { SocketTransport } from '../../broker/client/socket-transport.ts';
import { PassThroughBatch } from '../../pipelines/source-batch.ts';
import { startTestBroker } from './test-broker.ts';

/** A record of what is committed, as a reader is given it. */
export type Visit = (partition: string, offset: number, value: string) => void;

const dependencies = { clientId: 'reader', clock: systemClock, random: systemRandom, logger: silentLogger };

function clientOf(transport: Transport): KafkaClient {
  return createClient({ ...dependencies, transport });
}

function visitAll(fetched: FetchedBatches, visit: Visit): void {
  const partition = `${fetched.topic}-${fetched.partition}`;
  new PassThroughBatch(fetched).forEach((record) => visit(partition, record.offset, record.source().toString()));
}

/** Follows all partitions from their beginning. A broker that is away is waited for; reading goes on where it was. */
export class LiveReader {
  private readonly topic: string;
  private readonly partitions: number;
  private readonly visit: Visit;
  private readonly client: KafkaClient;
  private readonly stopping = new AbortController();
  private readonly running: Promise<void>;

  constructor(address: { host: string; port: number }, topic: string, partitions: number, visit: Visit) {
    this.topic = topic;
    this.partitions = partitions;
    this.visit = visit;
    this.client = clientOf(new SocketTransport({ bootstrap: [address], clientId: 'reader', clock: systemClock }));
    this.running = this.run();
  }

  /** Rejects with whatever went wrong for good. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await Promise.race([this.running, wait(2000)]);
    await this.client.close();
  }

  private async run(): Promise<void> {
    const positions = new Map(Array.from({ length: this.partitions }, (_, partition) => [partition, 0]));
    const { signal } = this.stopping;
    while (!signal.aborted) {
      const consumer = this.client.consumer({ isolation: 'read_committed', maxWaitMs: 200 });
      await this.follow(consumer, positions).catch(() => wait(50));
      await consumer.close();
    }
  }

  private async follow(consumer: Consumer, positions: Map<number, number>): Promise<void> {
    const { signal } = this.stopping;
    await consumer.assign([...positions].map(([partition, offset]) => ({ topic: this.topic, partition, offset })));
    while (!signal.aborted) {
      for (const fetched of await consumer.poll(signal)) {
        visitAll(fetched, this.visit);
        positions.set(fetched.partition, fetched.nextOffset);
      }
    }
  }
}

/** All that is committed in a topic of a data directory that nobody uses now. */
export async function readTopic(dataDirectory: string, topic: string, visit: Visit): Promise<void> {
  const test = await startTestBroker({ dataDirectory, socket: false });
  const client = clientOf(new InProcessTransport(test.broker, 'reader'));
  try {
    const ends = await client.admin().offsets(topic, 'latest-stable');
    const consumer = client.consumer({ isolation: 'read_committed', maxWaitMs: 100 });
    await consumer.assign([...ends.keys()].map((partition) => ({ topic, partition, offset: 0 })));
    while ([...ends].some(([partition, end]) => consumer.position({ topic, partition }) < end)) {
      for (const fetched of await consumer.poll()) visitAll(fetched, visit);
    }
    await consumer.close();
  } finally {
    await client.close();
    await test.close();
  }
}
