// Untouched records reach the file in blocks; the files must be those that record after record would make.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { systemClock } from '../../../base/clock.ts';
import { silentLogger } from '../../../base/logger.ts';
import { systemRandom } from '../../../base/random.ts';
import { BatchBuilder } from '../../../broker/wire/batch-builder.ts';
import { compressionNames } from '../../../broker/wire/compression.ts';
import { PassThroughBatch } from '../../../pipelines/source-batch.ts';
import { fileSink } from '../../../sinks/file/sink.ts';
import type { DeliveryBatch, TwoPhaseSink } from '../../../sinks/sink.ts';
import { CrashFiles } from '../../support/crash-files.ts';
import { testPartition } from '../../support/deliveries.ts';

const hourMs = 3_600_000;

const batches = fc.array(
  fc.record({
    records: fc.array(
      fc.record({
        timestampMs: fc.oneof(fc.integer({ min: 0, max: 3 * hourMs }), fc.integer({ min: -5, max: 5 })),
        value: fc.option(fc.string({ maxLength: 40 }), { nil: null, freq: 9 }),
      }),
      { minLength: 1, maxLength: 30 },
    ),
    compression: fc.oneof({ weight: 3, arbitrary: fc.constant('none' as const) }, fc.constantFrom(...compressionNames)),
  }),
  { maxLength: 6 },
);

async function write(path: string, batch: DeliveryBatch): Promise<[name: string, text: string][]> {
  const files = new CrashFiles();
  await files.makeDirectory('/out');
  const context = {
    ...{ edge: 'web.out', pipeline: 'web', instance: 'here', generation: 1, files, clock: systemClock },
    ...{ random: systemRandom, logger: silentLogger },
  };
  const sink = (await fileSink.open(fileSink.settings.parse({ path: `/out/${path}` }), context)) as TwoPhaseSink;
  const writer = await sink.openWriter({ kind: 'partition', coordinates: testPartition });
  await writer.write(batch);
  const manifest = await writer.prepare();
  if (manifest !== undefined) await writer.publish(manifest);
  await sink.close();
  const names = await files.list('/out');
  return Promise.all(
    names.map(async (name): Promise<[string, string]> => [
      name,
      (await files.readFile(`/out/${name}`)).toString('latin1'),
    ]),
  );
}

it.each(['{partition}-{offset}.log', '%H-{partition}-{offset}.log', '{field}-{partition}-{offset}.log', 'all.log'])(
  '%s is written the same',
  async (path) => {
    const property = fc.asyncProperty(batches, fc.nat(40), fc.nat(80), async (list, from, length) => {
      let nextOffset = 0;
      const encoded = list.map(({ records, compression }) => {
        const builder = new BatchBuilder();
        for (const { timestampMs, value } of records)
          builder.append(timestampMs, null, value === null ? null : Buffer.from(value));
        nextOffset += records.length;
        return builder.build({ baseOffset: nextOffset - records.length, compression });
      });
      const fetched = { ...testPartition, batches: encoded, fromOffset: from, nextOffset, highWatermark: 0 };
      const batch = new PassThroughBatch({ ...fetched, lastStableOffset: 0 }, from + length);
      const singly: DeliveryBatch = {
        ...{ coordinates: batch.coordinates, count: batch.count, sizeBytes: batch.sizeBytes },
        forEach: (visit) => batch.forEach(visit),
      };
      expect(await write(path, batch)).toEqual(await write(path, singly));
    });
    await fc.assert(property, { numRuns: 60 });
  },
);
