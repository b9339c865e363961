// An http agent on a real broker in process, with ways to make its producer fail, for the tests of agents/http.
import type { Agent } from '../../../agents/agent.ts';
import { httpAgent } from '../../../agents/http/agent.ts';
import { systemClock } from '../../../base/clock.ts';
import { silentLogger } from '../../../base/logger.ts';
import { nodeFiles } from '../../../base/node-files.ts';
import { systemRandom } from '../../../base/random.ts';
import { createClient } from '../../../broker/client/client.ts';
import type { KafkaClient, ProducerTransaction } from '../../../broker/client/contract.ts';
import { InProcessTransport } from '../../../broker/client/in-process-transport.ts';
import { RecordCursor } from '../../../broker/wire/record-batch.ts';
import { freePort, startTestBroker, type TestBroker } from '../../support/test-broker.ts';

export interface StoredRecord {
  key: string | undefined;
  value: string;
  partition: number;
}

export class HttpBench {
  readonly testBroker: TestBroker;
  readonly client: KafkaClient;
  readonly port: number;
  agent: Agent | undefined;
  /** Transactions that were begun. */
  transactions = 0;
  /** Called in place of a transaction's commit, when set. */
  onCommit: ((transaction: ProducerTransaction) => Promise<void>) | undefined;

  private constructor(testBroker: TestBroker, client: KafkaClient, port: number) {
    this.testBroker = testBroker;
    this.client = client;
    this.port = port;
  }

  static async open(): Promise<HttpBench> {
    const testBroker = await startTestBroker({ socket: false });
    const transport = new InProcessTransport(testBroker.broker, 'http');
    const client = createClient({
      ...{ transport, clientId: 'http', clock: systemClock, random: systemRandom, logger: silentLogger },
    });
    return new HttpBench(testBroker, client, await freePort());
  }

  /** Starts the agent "push", which writes to the topic "app". */
  async start(settings: Record<string, unknown> = {}): Promise<Agent> {
    const parsed = httpAgent.settings.parse({ listen: `127.0.0.1:${this.port}`, ...settings });
    const context = {
      ...{ name: 'push', instance: 'one', host: 'here', client: this.watched(), files: nodeFiles },
      ...{ clock: systemClock, random: systemRandom, logger: silentLogger },
    };
    this.agent = httpAgent.create(parsed, 'app', context, { once: false });
    await this.agent.start();
    return this.agent;
  }

  async stop(): Promise<void> {
    await this.agent?.stop(2_000);
    this.agent = undefined;
  }

  post(path: string, body: string | Buffer, headers: Record<string, string> = {}): Promise<Response> {
    return fetch(`http://127.0.0.1:${this.port}${path}`, {
      method: 'POST',
      body: new Uint8Array(Buffer.from(body)),
      headers: { 'content-type': 'application/x-ndjson', ...headers },
    });
  }

  /** Everything committed to the topic, partition after partition. */
  async records(topic = 'app'): Promise<StoredRecord[]> {
    const ends = await this.client.admin().offsets(topic, 'latest');
    const consumer = this.client.consumer({ isolation: 'read_committed', start: 'earliest', maxWaitMs: 20 });
    const found: StoredRecord[] = [];
    try {
      await consumer.assign([...ends.keys()].map((partition) => ({ topic, partition })));
      await consumer.start();
      while ([...ends].some(([partition, end]) => consumer.position({ topic, partition }) < end)) {
        for (const { batches, partition } of await consumer.poll()) {
          for (const batch of batches) {
            const cursor = new RecordCursor(batch);
            while (cursor.next())
              found.push({ partition, key: cursor.key()?.toString(), value: cursor.value()!.toString() });
          }
        }
      }
    } finally {
      await consumer.close();
    }
    return found;
  }

  async close(): Promise<void> {
    await this.stop();
    await this.client.close();
    await this.testBroker.close();
  }

  private watched(): KafkaClient {
    const { client } = this;
    return {
      admin: () => client.admin(),
      consumer: (options) => client.consumer(options),
      inProcess: client.inProcess,
      close: () => client.close(),
      producer: (options) => {
        const producer = client.producer(options);
        return {
          init: () => producer.init(),
          send: (records) => producer.send(records),
          close: () => producer.close(),
          begin: () => {
            this.transactions++;
            const transaction = producer.begin();
            return {
              sendBatch: (...batch) => transaction.sendBatch(...batch),
              send: (records) => transaction.send(records),
              sendOffsets: (...offsets) => transaction.sendOffsets(...offsets),
              settled: () => transaction.settled(),
              abort: () => transaction.abort(),
              commit: () => (this.onCommit === undefined ? transaction.commit() : this.onCommit(transaction)),
            };
          },
        };
      },
    };
  }
}
