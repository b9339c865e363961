// A store with documents by id, as Elasticsearch is: what it takes it keeps, the same id once more is found to be there already, and its answers get lost
// now and then. It is out of the reach of every fault.
import { TailraceError } from '../../../base/errors.ts';
import type { Random } from '../../../base/random.ts';
import type { DeliveryBatch, Outcome, SendingSink } from '../../../sinks/sink.ts';
import type { SimulatedProcess } from './time.ts';

export class SimulatedStore {
  /** Line by id. */
  readonly documents = new Map<string, string>();
  /** The same id came with another line. */
  readonly changed: string[] = [];
  repeated = 0;
  failing = false;
  private readonly random: Random;

  constructor(random: Random) {
    this.random = random;
  }

  /** Ways to it from one process. */
  sink(process: SimulatedProcess): SendingSink {
    return {
      guarantee: 'idempotent',
      fieldPaths: [],
      deliver: (batch, signal) => this.deliver(process, batch, signal),
      close: () => Promise.resolve(),
    };
  }

  private async deliver(process: SimulatedProcess, batch: DeliveryBatch, signal: AbortSignal): Promise<Outcome[]> {
    const documents: [string, string][] = [];
    const { topicId, partition } = batch.coordinates;
    batch.forEach(({ buffer, start, end, offset }) => {
      documents.push([`${topicId.toString('hex')}-${partition}-${offset}`, buffer.toString('utf8', start, end)]);
    });
    await process.gate();
    await process.time.sleep(this.random.next() * 20);
    // A part of it, when things go wrong.
    const goesWrong = this.failing && this.random.next() < 0.5;
    const taken = goesWrong ? Math.floor(this.random.next() * documents.length) : documents.length;
    const outcomes = documents.slice(0, taken).map(([id, line]) => this.put(id, line));
    await process.time.sleep(this.random.next() * 20);
    await process.gate();
    signal.throwIfAborted();
    if (goesWrong) throw new TailraceError('TLR_SINK', 'the store does not answer', { retriable: true });
    return outcomes;
  }

  private put(id: string, line: string): Outcome {
    const known = this.documents.get(id);
    if (known === undefined) {
      this.documents.set(id, line);
      return { kind: 'stored' };
    }
    this.repeated++;
    if (known !== line) this.changed.push(`${id}: "${known}", then "${line}"`);
    return { kind: 'already-there' };
  }
}
