// Readers of a topic for histories: one that follows it over a socket while its broker dies again and again, and one that reads all of it afterwards.
import { type Clock, sleep, systemClock } from '../../base/clock.ts';
import { silentLogger } from '../../base/logger.ts';
import { systemRandom } from '../../base/random.ts';
import { createClient } from '../../broker/client/client.ts';
import type { Consumer, FetchedBatches, KafkaClient, Transport } from '../../broker/client/contract.ts';
import { InProcessTransport } from '../../broker/client/in-process-transport.ts';
import { SocketTransport } from '../../broker/client/socket-transport.ts';
import { PassThroughBatch } from '../../pipelines/source-batch.ts';
import { startTestBroker } from './test-broker.ts';

/** A record of what is committed, as a reader is given it. */
export type Visit = (partition: string, offset: number, value: string, key: string) => void;

const dependencies = { clientId: 'reader', clock: systemClock, random: systemRandom, logger: silentLogger };

function clientOf(transport: Transport): KafkaClient {
  return createClient({ ...dependencies, transport });
}

function visitAll(fetched: FetchedBatches, visit: Visit): void {
  const partition = `${fetched.topic}-${fetched.partition}`;
  new PassThroughBatch(fetched).forEach((record) =>
    visit(partition, record.offset, record.source().toString(), record.key()?.toString() ?? ''),
  );
}

export interface Followed {
  client: KafkaClient;
  clock: Clock;
  topic: string;
  partitions: number;
  visit: Visit;
}

/** Reads all partitions from their beginning until `signal`. A broker that is away is waited for; reading goes on where it was. */
export async function followTopic(followed: Followed, signal: AbortSignal): Promise<void> {
  const { client, clock, topic, partitions, visit } = followed;
  const positions = new Map(Array.from({ length: partitions }, (_, partition) => [partition, 0]));
  const follow = async (consumer: Consumer) => {
    await consumer.assign([...positions].map(([partition, offset]) => ({ topic, partition, offset })));
    while (!signal.aborted) {
      for (const fetched of await consumer.poll(signal)) {
        visitAll(fetched, visit);
        positions.set(fetched.partition, fetched.nextOffset);
      }
    }
  };
  while (!signal.aborted) {
    const consumer = client.consumer({ isolation: 'read_committed', maxWaitMs: 200 });
    await follow(consumer).catch(() => sleep(clock, 50));
    await consumer.close();
  }
}

/** All that is committed now. */
export async function readAll(client: KafkaClient, topic: string, visit: Visit): Promise<void> {
  const ends = await client.admin().offsets(topic, 'latest-stable');
  const consumer = client.consumer({ isolation: 'read_committed', maxWaitMs: 100 });
  await consumer.assign([...ends.keys()].map((partition) => ({ topic, partition, offset: 0 })));
  while ([...ends].some(([partition, end]) => consumer.position({ topic, partition }) < end)) {
    for (const fetched of await consumer.poll()) visitAll(fetched, visit);
  }
  await consumer.close();
}

/** Follows a topic over a socket. */
export class LiveReader {
  private readonly client: KafkaClient;
  private readonly stopping = new AbortController();
  private readonly running: Promise<void>;

  constructor(address: { host: string; port: number }, topic: string, partitions: number, visit: Visit) {
    const transport = new SocketTransport({ bootstrap: [address], clientId: 'reader', clock: systemClock });
    this.client = clientOf(transport);
    this.running = followTopic(
      { client: this.client, clock: systemClock, topic, partitions, visit },
      this.stopping.signal,
    );
  }

  /** Rejects with whatever went wrong for good. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await Promise.race([this.running, sleep(systemClock, 2000)]);
    await this.client.close();
  }
}

/** All that is committed in a topic of a data directory that nobody uses now. */
export async function readTopic(dataDirectory: string, topic: string, visit: Visit): Promise<void> {
  const test = await startTestBroker({ dataDirectory, socket: false });
  const client = clientOf(new InProcessTransport(test.broker, 'reader'));
  try {
    await readAll(client, topic, visit);
  } finally {
    await client.close();
    await test.close();
  }
}
