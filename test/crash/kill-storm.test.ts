// Real processes, real files, real signals: a file is written and rotated by rename while `tailrace up` is killed with -9 again and again. In the end
// every line is in the sink exactly once. STORM_KILLS sets the number of kills (15 unless told otherwise).
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import { endAll, freePort, run, start } from '../support/command.ts';
import { countLines, RotatingWriter } from '../support/numbered-lines.ts';

const kills = Number(process.env['STORM_KILLS'] ?? 15);
const seed = Number(process.env['STORM_SEED'] ?? Date.now() % 1_000_000);

afterEach(endAll);

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
  const { lost, doubled } = await countLines(join(folder, 'out'), writer.written);
  console.log(
    `${writer.written} lines, ${writer.rotations} rotations, ${kills} kills: ${lost} lost, ${doubled} doubled`,
  );
  expect({ lost, doubled }).toEqual({ lost: 0, doubled: 0 });
  expect(writer.rotations).toBeGreaterThan(0);
  rmSync(folder, { recursive: true });
}

it(`loses and doubles nothing through ${kills} kills with rotation going on (seed ${seed})`, () => storm('SIGKILL'));

it(`stops in any phase when it is told to, ${kills} times, and loses and doubles nothing`, () => storm('SIGTERM'));
