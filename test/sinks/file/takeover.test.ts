// One process takes over from another of the same edge: what that one has decided on must be found.
import { expect, it } from 'vitest';
import { systemClock } from '../../../base/clock.ts';
import type { Logger } from '../../../base/logger.ts';
import { systemRandom } from '../../../base/random.ts';
import { fileSink } from '../../../sinks/file/sink.ts';
import type { TwoPhaseSink, WriterScope } from '../../../sinks/sink.ts';
import { CrashFiles } from '../../support/crash-files.ts';
import { deliveryBatch, testPartition } from '../../support/deliveries.ts';
import { recordingLogger } from '../../support/recording-logger.ts';

const scope: WriterScope = { kind: 'partition', coordinates: testPartition };

async function open(instance: string, files: CrashFiles, logger: Logger): Promise<TwoPhaseSink> {
  const context = {
    ...{ edge: 'web.out', pipeline: 'web', instance, generation: 1, files, clock: systemClock },
    ...{ random: systemRandom, logger },
  };
  return (await fileSink.open(fileSink.settings.parse({ path: '/out/{partition}-{offset}' }), context)) as TwoPhaseSink;
}

it('publishes what is here, and says so when it is not', async () => {
  const shared = new CrashFiles();
  const logger = recordingLogger();
  const warnings = () => logger.lines.filter(({ level }) => level === 'warn').map(({ message }) => message);
  const first = await open('one', shared, logger);
  const writer = await first.openWriter(scope);
  await writer.write(deliveryBatch([{ offset: 0, text: 'line' }]));
  const manifest = (await writer.prepare())!;

  const elsewhere = new CrashFiles();
  await (await open('two', elsewhere, logger)).recover(scope, manifest);
  expect(warnings()).toEqual([expect.stringMatching(/is not here: do all processes write to the same/)]);

  await (await open('two', shared, logger)).recover(scope, manifest);
  expect((await shared.readFile('/out/0-00000000000000000000')).toString()).toBe('line\n');
  await shared.remove('/out/0-00000000000000000000');
  await (await open('one', shared, logger)).recover(scope, manifest);
  expect(warnings()).toHaveLength(1);
});
