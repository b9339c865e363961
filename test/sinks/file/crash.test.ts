// Power loss: the file sink runs on a disk that remembers every step; after each step, states are drawn that a power failure may leave there (unsynced
// writes in any subset, torn, zero-filled; names not yet on disk). From what the broker had decided by then, a new sink must bring about every
// line exactly once, and what was published before must still be there.
import { expect, it } from 'vitest';
import { systemClock } from '../../../base/clock.ts';
import type { Files } from '../../../base/files.ts';
import { silentLogger } from '../../../base/logger.ts';
import { seededRandom, systemRandom } from '../../../base/random.ts';
import { fileSink } from '../../../sinks/file/sink.ts';
import type { Manifest, TwoPhaseSink, WriterScope } from '../../../sinks/sink.ts';
import { CrashFiles } from '../../support/crash-files.ts';
import { deliveryBatch, testPartition, type TestRecord } from '../../support/deliveries.ts';

/** What the broker knows from a step of the disk on. */
interface Decided {
  step: number;
  rounds: number;
  manifest: Manifest | undefined;
}

const rounds: TestRecord[][] = [0, 1].map((round) =>
  Array.from({ length: 3 }, (_, index) => ({
    offset: round * 10 + index,
    text: `line ${round}/${index} ${'x'.repeat(index * 900)}`,
    timestampMs: (index % 2) * 3_600_000,
  })),
);
const allLines = rounds.flat().map((record) => record.text);

async function run(path: string, files: Files, known: Decided, decided: (decision: Decided) => void): Promise<void> {
  const context = {
    edge: 'web.out',
    pipeline: 'web',
    instance: 'here',
    generation: 1,
    files,
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
  };
  const sink = (await fileSink.open(fileSink.settings.parse({ path }), context)) as TwoPhaseSink;
  const scope: WriterScope =
    sink.scope === 'edge' ? { kind: 'edge' } : { kind: 'partition', coordinates: testPartition };
  await sink.recover(scope, known.manifest);
  const writer = await sink.openWriter(scope);
  for (let round = known.rounds; round < rounds.length; round++) {
    await writer.write(deliveryBatch(rounds[round]!));
    const manifest = (await writer.prepare())!;
    const kept = JSON.parse(JSON.stringify(manifest)) as Manifest;
    decided({ step: 0, rounds: round + 1, manifest: kept });
    await writer.publish(manifest);
  }
  await sink.close();
}

/** Every line in published files; with `hidden`, the names of the others too. */
async function look(files: Files, folder: string): Promise<{ lines: string[]; hidden: string[] }> {
  const found = { lines: [] as string[], hidden: [] as string[] };
  for (const name of await files.list(folder).catch(() => [])) {
    const path = `${folder}/${name}`;
    if ((await files.stat(path))?.kind === 'directory') {
      const below = await look(files, path);
      found.lines.push(...below.lines);
      found.hidden.push(...below.hidden);
    } else if (name.startsWith('.')) found.hidden.push(path);
    else found.lines.push(...(await files.readFile(path)).toString().split('\n').slice(0, -1));
  }
  return found;
}

it.each(['/out/{partition}-{offset}.ndjson', '/out/%H/{partition}-{offset}', '/out/app.log', '/out/%H-%M.log'])(
  'loses and doubles nothing when the power fails: %s',
  async (path) => {
    const random = seededRandom(path.length);
    const files = new CrashFiles(random);
    const decisions: Decided[] = [{ step: 0, rounds: 0, manifest: undefined }];
    await run(path, files, decisions[0]!, (decision) => decisions.push({ ...decision, step: files.steps }));
    for (let step = 0; step <= files.steps; step++) {
      const known = decisions.findLast((decision) => decision.step <= step)!;
      for (let sample = 0; sample < 2; sample++) {
        const after = files.crash(step, random);
        await run(path, after, known, () => undefined);
        const { lines, hidden } = await look(after, '/out');
        expect(lines.sort(), `after step ${step} of ${files.steps}`).toEqual([...allLines].sort());
        expect(hidden).toEqual([]);
      }
    }
  },
);

it('keeps what was published through a power failure right after', async () => {
  const random = seededRandom(9);
  const files = new CrashFiles(random);
  await run('/out/%H/{partition}-{offset}', files, { step: 0, rounds: 0, manifest: undefined }, () => undefined);
  for (let sample = 0; sample < 50; sample++) {
    const { lines } = await look(files.crash(files.steps, random), '/out');
    expect(lines.sort()).toEqual([...allLines].sort());
  }
});
