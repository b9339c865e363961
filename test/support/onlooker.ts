// A consumer that looks on while servers come and go: it reads a topic over the socket and remembers what it saw at which offset, for ever. What somebody
// has seen may neither change nor vanish.
import { systemClock } from '../../base/clock.ts';
import { silentLogger } from '../../base/logger.ts';
import { systemRandom } from '../../base/random.ts';
import { createClient } from '../../broker/client/client.ts';
import type { KafkaClient } from '../../broker/client/contract.ts';
import { SocketTransport } from '../../broker/client/socket-transport.ts';
import { PassThroughBatch } from '../../pipelines/source-batch.ts';
import { numberOfLine } from './numbered-lines.ts';

export class Onlooker {
  /** Numbers of the lines by offset. */
  readonly seen = new Map<number, number>();
  private readonly port: number;
  private readonly topic: string;
  private next = 0;
  /** Offsets that held something else when they were read again. */
  private changed = 0;
  private stopping = new AbortController();
  private looking: Promise<void> = Promise.resolve();
  private client: KafkaClient | undefined;

  constructor(port: number, topic: string) {
    this.port = port;
    this.topic = topic;
  }

  /** Reads partition 0, from where it was, until stop(). The server may come later and go before. */
  look(): void {
    this.stopping = new AbortController();
    this.looking = this.read(this.stopping.signal);
  }

  /** Stops reading: from this call on nothing more counts as seen. What it returns resolves when the connection is closed, too. */
  stop(): Promise<void> {
    this.stopping.abort(new Error('enough seen'));
    // Nothing waits for a server that is gone.
    void this.client?.close();
    return this.looking;
  }

  /** Reads everything once more, up to the end that is there now: what of that which was seen has changed, and what is gone. In offsets. */
  async lookAgain(): Promise<{ changed: number; gone: number }> {
    const gone = new Set(this.seen.keys());
    const client = this.connect();
    const end = (await client.admin().offsets(this.topic, 'latest-stable')).get(0) ?? 0;
    const consumer = client.consumer({ isolation: 'read_committed', maxWaitMs: 50 });
    await consumer.assign([{ topic: this.topic, partition: 0, offset: 0 }]);
    while (consumer.position({ topic: this.topic, partition: 0 }) < end) {
      for (const fetched of await consumer.poll()) {
        new PassThroughBatch(fetched).forEach(({ offset, buffer, start, end: stop }) => {
          if (gone.delete(offset)) this.note(offset, buffer.toString('latin1', start, stop));
        });
      }
    }
    await consumer.close();
    await client.close();
    return { changed: this.changed, gone: gone.size };
  }

  private async read(signal: AbortSignal): Promise<void> {
    const client = (this.client = this.connect());
    const consumer = client.consumer({ isolation: 'read_committed', maxWaitMs: 50 });
    try {
      await consumer.assign([{ topic: this.topic, partition: 0, offset: this.next }]);
      while (!signal.aborted) {
        for (const fetched of await consumer.poll(signal)) {
          signal.throwIfAborted();
          new PassThroughBatch(fetched).forEach(({ offset, buffer, start, end }) =>
            this.note(offset, buffer.toString('latin1', start, end)),
          );
          this.next = fetched.nextOffset;
        }
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  private note(offset: number, line: string): void {
    const number = numberOfLine(line);
    const before = this.seen.get(offset);
    if (before === undefined) this.seen.set(offset, number);
    else if (before !== number) this.changed++;
  }

  private connect(): KafkaClient {
    const transport = new SocketTransport({
      bootstrap: [{ host: '127.0.0.1', port: this.port }],
      clientId: 'onlooker',
      clock: systemClock,
    });
    return createClient({
      ...{ transport, clientId: 'onlooker', clock: systemClock, random: systemRandom, logger: silentLogger },
    });
  }
}
