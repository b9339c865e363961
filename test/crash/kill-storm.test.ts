// Real processes, real files, real signals: a file is written and rotated by rename while `tailrace up` is killed with -9 again and again. In the end
// every line is in the sink exactly once. STORM_KILLS sets the number of kills (15 unless told otherwise).
import {
  createReadStream,
  mkdtempSync,
  openSync,
  renameSync,
  rmSync,
  writeSync,
  writeFileSync,
  closeSync,
} from 'node:fs';
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import { endAll, freePort, run, start } from '../support/command.ts';

const kills = Number(process.env['STORM_KILLS'] ?? 15);
const seed = Number(process.env['STORM_SEED'] ?? Date.now() % 1_000_000);

afterEach(endAll);

/** Writes numbered lines in small bursts, sometimes half a line, and rotates by rename; stops when told to. */
class RotatingWriter {
  written = 0;
  rotations = 0;
  private readonly path: string;
  private file: number;
  private isStopping = false;
  private readonly loop: Promise<void>;

  constructor(path: string) {
    this.path = path;
    this.file = openSync(path, 'a');
    this.loop = this.write();
  }

  private async write(): Promise<void> {
    while (!this.isStopping) {
      let text = '';
      for (let line = 0; line < 200; line++)
        text += `line ${String(this.written++).padStart(9, '0')} ${'x'.repeat(this.written % 90)}\n`;
      const cut = Math.floor(text.length / 3);
      writeSync(this.file, text.slice(0, cut));
      writeSync(this.file, text.slice(cut));
      if (this.written % 20_000 === 0) this.rotate();
      await wait(2);
    }
    closeSync(this.file);
  }

  private rotate(): void {
    renameSync(this.path, `${this.path}.${++this.rotations}`);
    closeSync(this.file);
    this.file = openSync(this.path, 'a');
  }

  async stop(): Promise<void> {
    this.isStopping = true;
    await this.loop;
  }
}

/** How often each number came, from every published file. */
async function countLines(directory: string, total: number): Promise<Uint8Array> {
  const seen = new Uint8Array(total);
  for (const name of await readdir(directory)) {
    if (name.startsWith('.')) continue;
    for await (const line of createInterface({ input: createReadStream(join(directory, name)) })) {
      const number = Number(/^line (\d{9}) x*$/.exec(line)?.[1] ?? Number.NaN);
      if (Number.isNaN(number) || number >= total) throw new Error(`not a line that was written: ${line.slice(0, 80)}`);
      seen[number]!++;
    }
  }
  return seen;
}

async function storm(signal: NodeJS.Signals): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'tailrace-storm-'));
  const port = await freePort();
  let state = seed;
  const random = () => (state = (state * 1_103_515_245 + 12_345) % 2_147_483_648) / 2_147_483_648;
  writeFileSync(
    join(folder, 'storm.yaml'),
    `
broker: { listen: "127.0.0.1:${port}" }
agents: { app: { type: tail, paths: [ "${folder}/app.log*" ] } }
pipelines: { keep: { from: app, to: files } }
sinks: { files: { type: file, path: "${folder}/out/{partition}-{offset}.log", roll: { size: 1MB, age: 500ms } } }
`,
  );
  const writer = new RotatingWriter(join(folder, 'app.log'));
  for (let kill = 0; kill < kills; kill++) {
    const command = start(['up', 'storm.yaml', '--data', 'data'], { cwd: folder });
    await wait(250 + random() * 1200);
    expect(command.process.exitCode, command.stderr).toBeNull();
    command.signal(signal);
    // It drains within its deadline, wherever it was.
    await command.end(20_000);
  }
  await writer.stop();
  const last = await run(['up', 'storm.yaml', '--data', 'data', '--once', '--json'], { cwd: folder });
  expect(last.code, last.stderr).toBe(0);
  const seen = await countLines(join(folder, 'out'), writer.written);
  const lost = seen.reduce((sum, count) => sum + (count === 0 ? 1 : 0), 0);
  const doubled = seen.reduce((sum, count) => sum + (count > 1 ? 1 : 0), 0);
  console.log(
    `${writer.written} lines, ${writer.rotations} rotations, ${kills} kills: ${lost} lost, ${doubled} doubled`,
  );
  expect({ lost, doubled }).toEqual({ lost: 0, doubled: 0 });
  expect(writer.rotations).toBeGreaterThan(0);
  rmSync(folder, { recursive: true });
}

it(`loses and doubles nothing through ${kills} kills with rotation going on (seed ${seed})`, () => storm('SIGKILL'));

it(`stops in any phase when it is told to, ${kills} times, and loses and doubles nothing`, () => storm('SIGTERM'));
