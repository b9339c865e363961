// The file sink against the contract of all sinks: rolled and appended, plain and compressed, by time and by field.
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { systemClock } from '../../../base/clock.ts';
import { silentLogger } from '../../../base/logger.ts';
import { nodeFiles } from '../../../base/node-files.ts';
import { systemRandom } from '../../../base/random.ts';
import { fileSink } from '../../../sinks/file/sink.ts';
import type { TwoPhaseSink } from '../../../sinks/sink.ts';
import type { TestRecord } from '../../support/deliveries.ts';
import { StoppingFiles } from '../../support/stopping-files.ts';
import { twoPhaseContract, type TwoPhaseWorld } from '../contract.ts';

async function filesUnder(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

function unpack(path: string, bytes: Buffer): string {
  if (path.endsWith('.gz')) return gunzipSync(bytes).toString();
  return (path.endsWith('.zst') ? zstdDecompressSync(bytes) : bytes).toString();
}

const isHidden = (path: string) => path.slice(path.lastIndexOf('/') + 1).startsWith('.');

function world(path: string): () => Promise<TwoPhaseWorld> {
  return async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tailrace-file-sink-'));
    return {
      files: new StoppingFiles(nodeFiles, Infinity),
      open: (files, generation) => {
        const context = {
          edge: 'web.out',
          pipeline: 'web',
          instance: 'here',
          generation,
          files,
          clock: systemClock,
          random: systemRandom,
          logger: silentLogger,
        };
        return fileSink.open(fileSink.settings.parse({ path: join(folder, path) }), context) as Promise<TwoPhaseSink>;
      },
      async visible() {
        const texts: string[] = [];
        for (const file of await filesUnder(folder)) {
          if (!isHidden(file))
            texts.push(
              ...unpack(file, await readFile(file))
                .split('\n')
                .slice(0, -1),
            );
        }
        return texts;
      },
      leftOvers: async () => (await filesUnder(folder)).filter(isHidden),
      end: () => rm(folder, { recursive: true }),
    };
  };
}

const hourMs = 3_600_000;
const rounds: TestRecord[][] = [0, 1].map((round) =>
  Array.from({ length: 4 }, (_, index) => ({
    offset: round * 10 + index,
    text: `line ${round}/${index} ${'x'.repeat(index * 1500)}`,
    timestampMs: (index % 2) * hourMs,
    fields: { service: index < 3 ? 'web' : '../etc' },
  })),
);

twoPhaseContract('rolled files', { world: world('out/{partition}-{offset}.ndjson'), rounds });
twoPhaseContract('rolled files by time and field, gzip', {
  world: world('out/%Y/%m/%d/{service}/%H-{partition}-{offset}.gz'),
  rounds,
});
twoPhaseContract('rolled files, zstd', { world: world('{topic}-{partition}-{offset}.zst'), rounds });
twoPhaseContract('an appended file', { world: world('out/app.log'), rounds });
twoPhaseContract('appended files by hour, gzip', { world: world('out/%H/app-{partition}.log.gz'), rounds });
