// A disk that is full: a small file system of its own holds the data directory. Intake stops and says so, nothing is lost, and when there is room again it
// goes on by itself. Needs the right to mount (root on Linux).
import { createReadStream, mkdirSync, mkdtempSync, readdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { endAll, freePort, run, start, until } from '../support/command.ts';
import { canMount, mountSmallDisk, resizeSmallDisk, unmount } from '../support/small-disk.ts';

const lineCount = 400_000;
let folder: string;
let disk: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tailrace-full-'));
  disk = join(folder, 'disk');
  mkdirSync(disk);
});
afterEach(async () => {
  await endAll();
  if (canMount) unmount(disk);
  rmSync(folder, { recursive: true, force: true });
});

async function countOut(): Promise<{ lines: number; different: number }> {
  const seen = new Set<string>();
  let lines = 0;
  for (const name of readdirSync(join(folder, 'out')).filter((one) => !one.startsWith('.'))) {
    for await (const line of createInterface({ input: createReadStream(join(folder, 'out', name)) })) {
      lines++;
      seen.add(line);
    }
  }
  return { lines, different: seen.size };
}

it.skipIf(!canMount)(
  'stops intake, keeps what is there, and goes on when there is room (skipped where mounting is not allowed)',
  async () => {
    mountSmallDisk(disk, '48m');
    const text = Array.from({ length: lineCount }, (_, line) => `line ${line} ${'y'.repeat(150)}\n`).join('');
    writeFileSync(join(folder, 'app.log'), text);
    writeFileSync(
      join(folder, 'tailrace.yaml'),
      `
data: ${disk}/data
max_disk: 1GB
broker: { listen: "127.0.0.1:${await freePort()}" }
agents: { app: "tail://${folder}/app.log" }
pipelines: { keep: { from: app, to: files } }
sinks: { files: { type: file, path: "${folder}/out/{partition}-{offset}.log", roll: { size: 4MB, idle: 300ms } } }
`,
    );
    const up = start(['up'], { cwd: folder });
    await until('it says that the disk is full', () => /full|room|space/i.test(up.stderr), 60_000);
    const { bavail, bsize } = statfsSync(disk);
    expect(up.process.exitCode, up.stderr).toBeNull();
    expect(bavail * bsize, 'room is kept for what is under way').toBeGreaterThan(0);

    resizeSmallDisk(disk, '400m');
    await until('everything is out', async () => (await countOut()).lines === lineCount, 90_000);
    expect(await countOut()).toEqual({ lines: lineCount, different: lineCount });
    up.signal('SIGTERM');
    expect((await up.end()).code).toBe(0);
    const again = await run(['up', '--once', '--json'], { cwd: folder });
    expect(again.code, again.stderr).toBe(0);
    expect(await countOut()).toEqual({ lines: lineCount, different: lineCount });
  },
);
