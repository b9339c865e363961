// Temporary names: a session that comes back under the same generation (a static member does) must not give a new file the name that the last manifest holds.
import { expect, it } from 'vitest';
import { systemClock } from '../../../base/clock.ts';
import { silentLogger } from '../../../base/logger.ts';
import { systemRandom } from '../../../base/random.ts';
import { fileSink } from '../../../sinks/file/sink.ts';
import type { Manifest, TwoPhaseSink, TwoPhaseWriter } from '../../../sinks/sink.ts';
import { CrashFiles } from '../../support/crash-files.ts';
import { deliveryBatch, testPartition } from '../../support/deliveries.ts';

const scope = { kind: 'partition', coordinates: testPartition } as const;

it.each(['/out/all-{partition}.log', '/out/{partition}-{offset}.log'])(
  'are not used again by the next session of the same generation (%s)',
  async (path) => {
    const files = new CrashFiles();
    const context = {
      ...{ edge: 'web.out', pipeline: 'web', instance: 'here', generation: 1, files, clock: systemClock },
      ...{ random: systemRandom, logger: silentLogger },
    };
    const session = async (lastDecided: Manifest | undefined): Promise<TwoPhaseWriter> => {
      const sink = (await fileSink.open(fileSink.settings.parse({ path }), context)) as TwoPhaseSink;
      await sink.recover(scope, lastDecided);
      return sink.openWriter(scope);
    };
    const first = await session(undefined);
    await first.write(deliveryBatch([{ offset: 0, text: 'decided' }]));
    const manifest = (await first.prepare())!;
    await first.publish(manifest);
    const second = await session(manifest);
    await second.write(deliveryBatch([{ offset: 1, text: 'prepared, and not decided: the broker was away' }]));
    await second.prepare();
    await session(manifest);
    const [name, ...others] = await files.list('/out');
    expect(others).toEqual([]);
    expect((await files.readFile(`/out/${name!}`)).toString()).toBe('decided\n');
  },
);
