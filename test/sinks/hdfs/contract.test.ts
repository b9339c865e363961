// The HDFS sink against the contract of all sinks. It is stopped at each change on the local disk and at each change in HDFS, with the answer lost after the change
// was made as well as before.
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { systemClock } from '../../../base/clock.ts';
import type { Files } from '../../../base/files.ts';
import { silentLogger } from '../../../base/logger.ts';
import { nodeFiles } from '../../../base/node-files.ts';
import { systemRandom } from '../../../base/random.ts';
import { hdfsSink } from '../../../sinks/hdfs/sink.ts';
import type { TwoPhaseSink } from '../../../sinks/sink.ts';
import type { TestRecord } from '../../support/deliveries.ts';
import { FakeHdfs, type FakeRequest, type Trouble } from '../../support/fake-hdfs.ts';
import { Stopped, StoppingFiles } from '../../support/stopping-files.ts';
import { twoPhaseContract, type TwoPhaseWorld } from '../contract.ts';

const isChange = ({ node, op }: FakeRequest) =>
  op === 'MKDIRS' || op === 'RENAME' || op === 'DELETE' || (op === 'CREATE' && node.startsWith('dn'));

function unpack(path: string, bytes: Buffer): string {
  if (path.endsWith('.gz')) return gunzipSync(bytes).toString();
  return (path.endsWith('.zst') ? zstdDecompressSync(bytes) : bytes).toString();
}

/** Counts changes in HDFS together with those on disk; once stopped, nothing gets through, but the change it stopped at may have been made. */
function stopWith(files: Files, folder: string, kind: 'cut-after' | 'half') {
  let first = true;
  return async (request: FakeRequest): Promise<Trouble | undefined> => {
    if (!isChange(request)) return files instanceof StoppingFiles && files.stopped ? 'cut' : undefined;
    try {
      await files.syncDirectory(folder);
      return undefined;
    } catch (error) {
      if (!(error instanceof Stopped)) throw error;
      const trouble = !first ? 'cut' : request.op === 'CREATE' ? kind : 'cut-after';
      first = false;
      return trouble;
    }
  };
}

function world(path: string, kind: 'cut-after' | 'half', scheme = 'webhdfs'): () => Promise<TwoPhaseWorld> {
  return async () => {
    const scratch = await mkdtemp(join(tmpdir(), 'tailrace-hdfs-sink-'));
    const hdfs = await FakeHdfs.start();
    return {
      files: new StoppingFiles(nodeFiles, Infinity),
      open: (files, generation) => {
        hdfs.trouble = stopWith(files, scratch, kind);
        const context = {
          ...{ edge: 'web.lake', pipeline: 'web', instance: 'here', generation, scratch, files },
          ...{ clock: systemClock, random: systemRandom, logger: silentLogger },
        };
        const settings = hdfsSink.settings.parse({ url: `${scheme}://${hdfs.hosts}`, path, retry: '1ms' });
        return hdfsSink.open(settings, context) as Promise<TwoPhaseSink>;
      },
      visible: () =>
        Promise.resolve([...hdfs.files()].flatMap(([name, bytes]) => unpack(name, bytes).split('\n').slice(0, -1))),
      leftOvers: async () => [
        ...hdfs.files({ hidden: true }).keys(),
        ...(await readdir(join(scratch, 'hdfs')).catch(() => [])),
      ],
      async end() {
        await hdfs.stop();
        await rm(scratch, { recursive: true });
      },
    };
  };
}

const hourMs = 3_600_000;
const rounds: TestRecord[][] = [0, 1].map((round) =>
  Array.from({ length: 4 }, (_, index) => ({
    offset: round * 10 + index,
    text: `line ${round}/${index} ${'x'.repeat(index * 1500)}`,
    timestampMs: (index % 2) * 24 * hourMs,
    fields: { service: index < 3 ? 'web: +1%' : '../etc' },
  })),
);

twoPhaseContract('HDFS files', { world: world('/logs/{partition}-{offset}.ndjson', 'cut-after'), rounds });
twoPhaseContract('HDFS files by day and field, gzip', {
  world: world('/logs/dt=%Y-%m-%d/{service}/{partition}-{offset}.gz', 'half'),
  rounds,
});
twoPhaseContract('HDFS files over HttpFS, zstd', {
  world: world('/{topic}-{partition}-{offset}.zst', 'half', 'httpfs'),
  rounds,
});
