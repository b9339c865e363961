// A topic that is deleted and made again while somebody writes into it and edges read it. What a deleted topic held and nobody had read is gone, as it was meant to be; nothing of
// it may come twice, and of its last life nothing may be missing, wherever it goes.
import type { Clock } from '../../../base/clock.ts';
import { sleep } from '../../../base/clock.ts';
import type { KafkaClient } from '../../../broker/client/contract.ts';
import type { Random } from '../../../base/random.ts';
import type { History, Value } from '../history.ts';
import { readAll } from '../topic-readers.ts';
import { parseValue } from './log-files.ts';
import type { SimulatedStore } from './store.ts';

export const fleeting = { name: 'fleeting', partitions: 2 } as const;
/** Where an edge copies it to. */
export const remains = { name: 'remains', partitions: 2 } as const;
export const fleetingFolder = '/out/fleeting';

type Placed = Value & { place: string };

export interface FleetingOptions {
  connect: () => KafkaClient;
  clock: Clock;
  random: Random;
  history: History;
  store: SimulatedStore;
  /** The lines of the files in `fleetingFolder`. */
  files: () => Promise<Placed[]>;
}

export class FleetingTopic {
  /** How often it was made. */
  lives = 0;
  private readonly options: FleetingOptions;
  private readonly client: KafkaClient;
  private changing: Promise<void> | undefined;
  private isOver = false;
  private next = 0;
  /** Transactions of this life. */
  private committed = 0;

  constructor(options: FleetingOptions) {
    this.options = options;
    this.client = options.connect();
    this.makeAgain();
    void this.write();
  }

  /** Deletes it and makes it again, whatever happens meanwhile. */
  makeAgain(): void {
    this.changing ??= this.change().finally(() => (this.changing = undefined));
  }

  /** It stays as it is, and nothing more is written but what is under way, or a first transaction. */
  calmDown(): void {
    this.isOver = true;
  }

  /** Whether all of its last life has got to where it goes. */
  async isDelivered(): Promise<boolean> {
    if (this.changing !== undefined || this.committed === 0) return false;
    return (await this.missing().catch(() => ['the topic itself'])).length === 0;
  }

  /** Throws when something is missing or came twice. Resolves with the number of records of its last life. */
  async check(): Promise<number> {
    const missing = await this.missing();
    if (missing.length > 0) throw new Error(`of ${fleeting.name}: ${missing.slice(0, 5).join(', ')}`);
    const { history, files } = this.options;
    const isMine = ({ source }: Value) => source === fleeting.name;
    history.holds('the files of the topic that was made again', await files(), { only: isMine });
    history.holds('the copy of the topic that was made again', await this.read(remains.name), { only: isMine });
    return (await this.read(fleeting.name)).length;
  }

  private async change(): Promise<void> {
    const { clock, random } = this.options;
    const admin = this.client.admin();
    for (;;) {
      try {
        const isThere = (await admin.topics()).some(({ name }) => name === fleeting.name);
        if (isThere) {
          await admin.deleteTopic(fleeting.name);
          await sleep(clock, random.next() ** 4 * 8000);
        }
        await admin.createTopic(fleeting);
        this.lives++;
        this.committed = 0;
        return;
      } catch {
        await sleep(clock, 500);
      }
    }
  }

  /** What became of what it writes it does not ask. */
  private async write(): Promise<void> {
    const { clock, random, history, connect } = this.options;
    const client = connect();
    const isOver = () => this.isOver && this.changing === undefined && this.committed > 0;
    while (!isOver()) {
      const producer = client.producer({ transactionalId: fleeting.name, transactionTimeoutMs: 10_000 });
      try {
        await producer.init();
        while (!isOver()) {
          const transaction = producer.begin();
          for (let left = 1 + Math.floor(random.next() * 8); left > 0; left--) {
            const number = this.next++;
            history.wrote({ source: fleeting.name, number }, 'unknown');
            const value = Buffer.from(`${fleeting.name} ${number}`);
            transaction.send([{ topic: fleeting.name, partition: number % fleeting.partitions, value }]);
          }
          const { lives } = this;
          await transaction.commit();
          if (lives === this.lives) this.committed++;
          await sleep(clock, random.next() * 200);
        }
      } catch {
        await sleep(clock, 200);
      }
      await producer.close().catch(() => undefined);
    }
  }

  /** What of its last life is not where it goes. */
  private async missing(): Promise<string[]> {
    const { store, files } = this.options;
    const [topic] = await this.client.admin().topics([fleeting.name]);
    const id = topic!.topicId.toString('hex');
    const nameOf = ({ number }: Value) => String(number);
    const inFiles = new Set((await files()).map(nameOf));
    const inTopic = new Set((await this.read(remains.name)).map(nameOf));
    const missing: string[] = [];
    for (const value of await this.read(fleeting.name)) {
      const what = `${value.place}@${value.offset} (${value.number})`;
      const stored = store.documents.get(
        `${id}-${value.place.slice(value.place.lastIndexOf('-') + 1)}-${value.offset}`,
      );
      if (stored !== `${fleeting.name} ${value.number}`) missing.push(`${what} is not in the store`);
      if (!inFiles.has(nameOf(value))) missing.push(`${what} is not in the files`);
      if (!inTopic.has(nameOf(value))) missing.push(`${what} is not in ${remains.name}`);
    }
    return missing;
  }

  private async read(topic: string): Promise<(Placed & { offset: number })[]> {
    const values: (Placed & { offset: number })[] = [];
    await readAll(this.client, topic, (place, offset, line) => {
      values.push({ ...parseValue(line), place, offset });
    });
    return values;
  }
}
