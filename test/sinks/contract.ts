// What every sink must keep (sinks/sink.ts), given how to open one and how to read what became visible. The suite plays the runner: it keeps
// the decisions itself, stops the sink at every change it makes on disk, and lets a new one recover from what was decided.
import { describe, expect, it } from 'vitest';
import type { Files } from '../../base/files.ts';
import type { Manifest, SendingSink, TwoPhaseSink, WriterScope } from '../../sinks/sink.ts';
import { deliveryBatch, testPartition, type TestRecord } from '../support/deliveries.ts';
import { StoppingFiles } from '../support/stopping-files.ts';

/** A sink in a world of its own. */
export interface TwoPhaseWorld {
  files: Files;
  open(files: Files, generation: number): Promise<TwoPhaseSink>;
  /** Everything a reader of the sink's output sees, in the order of writing. */
  visible(): Promise<string[]>;
  /** Names that should not be there when all is published. */
  leftOvers(): Promise<string[]>;
  end(): Promise<void>;
}

export interface TwoPhaseCase {
  world: () => Promise<TwoPhaseWorld>;
  /** Rounds of records; each round is decided as one. */
  rounds: readonly (readonly TestRecord[])[];
}

/** What the broker would know: kept across stops. */
interface Decisions {
  rounds: number;
  manifest: Manifest | undefined;
}

async function run(sink: TwoPhaseSink, rounds: TwoPhaseCase['rounds'], decisions: Decisions): Promise<void> {
  const scope: WriterScope =
    sink.scope === 'edge' ? { kind: 'edge' } : { kind: 'partition', coordinates: testPartition };
  await sink.recover(scope, decisions.manifest);
  const writer = await sink.openWriter(scope);
  for (const round of rounds.slice(decisions.rounds)) {
    await writer.write(deliveryBatch(round.slice(0, 1)));
    await writer.write(deliveryBatch(round.slice(1)));
    const manifest = await writer.prepare();
    decisions.rounds++;
    if (manifest === undefined) continue;
    decisions.manifest = JSON.parse(JSON.stringify(manifest)) as Manifest;
    await writer.publish(manifest);
  }
}

function lines(rounds: TwoPhaseCase['rounds']): string[] {
  return rounds.flat().map((record) => record.text);
}

/** Declares the tests of one two-phase sink with one choice of settings. */
export function twoPhaseContract(name: string, { world: makeWorld, rounds }: TwoPhaseCase): void {
  describe(`${name}: two-phase contract`, () => {
    async function inWorld(test: (world: TwoPhaseWorld) => Promise<void>): Promise<void> {
      const world = await makeWorld();
      try {
        await test(world);
      } finally {
        await world.end();
      }
    }

    it('shows exactly what was decided', () =>
      inWorld(async (world) => {
        const sink = await world.open(world.files, 1);
        for (let count = 1; count <= rounds.length; count++) {
          const decisions: Decisions = { rounds: count - 1, manifest: undefined };
          await run(sink, rounds.slice(0, count), decisions);
          expect((await world.visible()).sort()).toEqual(lines(rounds.slice(0, count)).sort());
        }
        await sink.close();
        expect(await world.leftOvers()).toEqual([]);
      }));

    it('shows nothing of what was prepared and not decided, and removes it', () =>
      inWorld(async (world) => {
        const sink = await world.open(world.files, 1);
        const scope: WriterScope =
          sink.scope === 'edge' ? { kind: 'edge' } : { kind: 'partition', coordinates: testPartition };
        await sink.recover(scope, undefined);
        const writer = await sink.openWriter(scope);
        await writer.write(deliveryBatch(rounds[0]!));
        await writer.prepare();
        await sink.close();
        expect(await world.visible()).toEqual([]);
        const next = await world.open(world.files, 2);
        await next.recover(scope, undefined);
        await next.close();
        expect(await world.visible()).toEqual([]);
        expect(await world.leftOvers()).toEqual([]);
      }));

    it('gives up what was not prepared', () =>
      inWorld(async (world) => {
        const sink = await world.open(world.files, 1);
        const scope: WriterScope =
          sink.scope === 'edge' ? { kind: 'edge' } : { kind: 'partition', coordinates: testPartition };
        const writer = await sink.openWriter(scope);
        await writer.write(deliveryBatch(rounds[0]!));
        await writer.discard();
        expect(await writer.prepare()).toBeUndefined();
        expect(await world.leftOvers()).toEqual([]);
        await sink.close();
      }));

    it('publishes as often as it is asked', () =>
      inWorld(async (world) => {
        const sink = await world.open(world.files, 1);
        const scope: WriterScope =
          sink.scope === 'edge' ? { kind: 'edge' } : { kind: 'partition', coordinates: testPartition };
        const writer = await sink.openWriter(scope);
        await writer.write(deliveryBatch(rounds[0]!));
        const manifest = (await writer.prepare())!;
        await writer.publish(manifest);
        await writer.publish(manifest);
        await sink.recover(scope, manifest);
        expect((await world.visible()).sort()).toEqual(lines(rounds.slice(0, 1)).sort());
        await sink.close();
      }));

    it('loses and doubles nothing wherever it is stopped', async () => {
      for (let limit = 0; ; limit++) {
        const outcome = { finished: false };
        await inWorld(async (world) => {
          const decisions: Decisions = { rounds: 0, manifest: undefined };
          const stopping = new StoppingFiles(world.files, limit);
          const first = await world.open(stopping, 1);
          await run(first, rounds, decisions).then(
            () => (outcome.finished = !stopping.stopped),
            () => expect(stopping.stopped, `failed without being stopped, at change ${limit}`).toBe(true),
          );
          await first.close();
          const again = new StoppingFiles(world.files, 3 + (limit % 5));
          const second = await world.open(again, 2);
          await run(second, rounds, decisions).catch(() => undefined);
          await second.close();
          const third = await world.open(world.files, 3);
          await run(third, rounds, decisions);
          await third.close();
          expect((await world.visible()).sort(), `stopped at change ${limit}`).toEqual(lines(rounds).sort());
          expect(await world.leftOvers()).toEqual([]);
        });
        if (outcome.finished) return;
      }
    });
  });
}

/** A sending sink in a world of its own. */
export interface SendingWorld {
  open(): Promise<SendingSink>;
  /** The texts of the records that a reader of the store sees. */
  visible(): Promise<string[]>;
  /** From now on the store takes everything and answers nothing. */
  hang(): void;
  end(): Promise<void>;
}

/** Declares the tests of one idempotent sink. Records are lines of text. */
export function sendingContract(name: string, makeWorld: () => Promise<SendingWorld>): void {
  describe(`${name}: idempotent contract`, () => {
    const signal = new AbortController().signal;
    const records = Array.from({ length: 50 }, (_, offset) => ({ offset, text: `line ${offset}` }));
    const texts = records.map(({ text }) => text).sort();

    async function inWorld(test: (world: SendingWorld, sink: SendingSink) => Promise<void>): Promise<void> {
      const world = await makeWorld();
      const sink = await world.open();
      try {
        await test(world, sink);
      } finally {
        await sink.close();
        await world.end();
      }
    }

    it('stores each record once, and takes an empty batch', () =>
      inWorld(async (world, sink) => {
        expect(await sink.deliver(deliveryBatch(records), signal)).toBeUndefined();
        await sink.deliver(deliveryBatch([]), signal);
        expect((await world.visible()).sort()).toEqual(texts);
      }));

    it('knows what is there when it is sent again, by another sink too', () =>
      inWorld(async (world, sink) => {
        await sink.deliver(deliveryBatch(records.slice(0, 30)), signal);
        const other = await world.open();
        const outcomes = (await other.deliver(deliveryBatch(records), signal))!;
        await other.close();
        expect(outcomes.map(({ kind }) => kind)).toEqual(
          records.map(({ offset }) => (offset < 30 ? 'already-there' : 'stored')),
        );
        expect((await world.visible()).sort()).toEqual(texts);
      }));

    it('keeps partitions, and topics that were made again, apart', () =>
      inWorld(async (world, sink) => {
        await sink.deliver(deliveryBatch(records), signal);
        await sink.deliver(deliveryBatch(records, { ...testPartition, partition: 1 }), signal);
        await sink.deliver(deliveryBatch(records, { ...testPartition, topicId: Buffer.alloc(16, 8) }), signal);
        expect(await world.visible()).toHaveLength(records.length * 3);
      }));

    it('ends at once when the signal does', () =>
      inWorld(async (world, sink) => {
        world.hang();
        const stop = new AbortController();
        const delivery = sink.deliver(deliveryBatch(records), stop.signal);
        stop.abort(new Error('stopped by the test'));
        await expect(delivery).rejects.toThrow('stopped by the test');
      }));
  });
}
