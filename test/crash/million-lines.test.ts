// A million lines through tail → topic → file: what comes out is what went in, byte for byte, also when a first `up` was killed with -9 in the middle.
import { createHash } from 'node:crypto';
import { createReadStream, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { accessLine, writeLines } from '../../bench/lines.ts';
import { endAll, freePort, run, start, until } from '../support/command.ts';

const lines = 1_000_000;
let folder: string;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tailrace-million-'));
  writeLines(join(folder, 'big.log'), lines, accessLine);
  writeFileSync(
    join(folder, 'tailrace.yaml'),
    `
broker: { listen: "127.0.0.1:${await freePort()}" }
agents: { big: "tail://${folder}/big.log" }
pipelines: { keep: { from: big, to: files } }
sinks: { files: { type: file, path: "${folder}/out/{partition}-{offset}.log", roll: { size: 20MB } } }
`,
  );
});

afterEach(async () => {
  await endAll();
  rmSync(folder, { recursive: true, force: true });
});

async function digest(paths: readonly string[]): Promise<string> {
  const hash = createHash('sha256');
  for (const path of paths) for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/** The published files in the order of their offsets, which their names sort by. */
const published = () => {
  const out = join(folder, 'out');
  if (!existsSync(out)) return [];
  return readdirSync(out)
    .filter((name) => !name.startsWith('.'))
    .toSorted()
    .map((name) => join(out, name));
};

async function finish(): Promise<void> {
  const result = await run(['up', '--once', '--json'], { cwd: folder, timeoutMs: 120_000 });
  expect(result.code, result.stderr).toBe(0);
  const ledger = JSON.parse(result.stdout.trim().split('\n').at(-1)!) as { balanced: boolean; edges: unknown[] };
  expect(ledger).toMatchObject({ balanced: true, edges: [{ in: lines, out: lines, dropped: 0, dead: 0 }] });
  expect(await digest(published())).toBe(await digest([join(folder, 'big.log')]));
}

it('delivers them in one run', finish);

it.each([1, 3])('delivers them when a first run was killed after file %i was published', async (files) => {
  const up = start(['up'], { cwd: folder });
  await until(`${files} files are out`, () => published().length >= files, 60_000);
  up.signal('SIGKILL');
  await up.end();
  await finish();
});
