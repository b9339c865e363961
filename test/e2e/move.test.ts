// The same file on another broker: what one machine had read and delivered on its own broker is neither read nor delivered again, and what it had not
// delivered is not left behind unnoticed.
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { endAll, freePort, run, start, until } from '../support/command.ts';

let folder: string;
let log: string;
let port: number;
let written = 0;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tailrace-move-'));
  mkdirSync(join(folder, 'logs'));
  log = join(folder, 'logs', 'app.log');
  port = await freePort();
  written = 0;
  writeFileSync(join(folder, 'central.yaml'), `{ data: central, broker: { listen: "127.0.0.1:${port}" } }\n`);
});
afterEach(async () => {
  await endAll();
  rmSync(folder, { recursive: true, force: true });
});

function write(count: number): void {
  const lines = Array.from({ length: count }, () => `{"n":${written++}}\n`);
  appendFileSync(log, lines.join(''));
}

function configure(broker: string, parts: { out?: string; agents?: string } = {}): void {
  const { out = 'out.log', agents = '{ app: "tail:./logs/app.log" }' } = parts;
  writeFileSync(
    join(folder, 'tailrace.yaml'),
    `
broker: ${broker}
topics: { app: {} }
agents: ${agents}
pipelines: { web: { from: app, to: files } }
sinks: { files: "file:${out}" }
`,
  );
}

const own = '{ listen: [] }';
const once = () => run(['up', '--once'], { cwd: folder });
const numbers = () =>
  [...readFileSync(join(folder, 'out.log'), 'utf8').matchAll(/"n":(\d+)/g)].map(([, number]) => Number(number));
const all = (count: number) => Array.from({ length: count }, (_, number) => number);

it('goes on where it was: every line once, through rotations between and at the move', async () => {
  configure(own);
  write(1000);
  expect((await once()).code).toBe(0);
  write(500);
  renameSync(log, `${log}.1`);
  write(500);

  const central = start(['up', 'central.yaml'], { cwd: folder });
  await until('the other broker listens', () => central.stdout.includes('broker'));
  configure(`kafka://127.0.0.1:${port}`);
  const moved = await once();
  expect(moved.code, moved.stderr).toBe(0);
  expect(moved.stderr).toContain('agents go on where they were');
  expect(numbers()).toEqual(all(2000));

  write(10);
  const again = await once();
  expect(again.code, again.stderr).toBe(0);
  expect(again.stderr).not.toContain('agents go on');
  expect(numbers()).toEqual(all(2010));
  const audit = await run(['audit'], { cwd: folder });
  expect(audit.code, audit.stdout).toBe(0);

  // As when it is killed between handing the positions over and noting that: what the cluster knows is newer.
  rmSync(join(folder, 'tailrace-data', 'moved-to'));
  write(5);
  const repeated = await once();
  expect(repeated.code, repeated.stderr).toBe(0);
  expect(repeated.stderr).toContain('agents go on where they were');
  expect(numbers()).toEqual(all(2015));

  // Back on its own broker it would read everything of since then once more.
  configure(own);
  const back = await once();
  expect(back.code).not.toBe(0);
  expect(back.stderr).toContain(`went on to kafka://127.0.0.1:${port}`);
  configure(own, { agents: '{}' });
  expect((await once()).code).toBe(0);
  expect(numbers()).toEqual(all(2015));
}, 120_000);

it('is refused while there is something to deliver, also when the pipelines are elsewhere now', async () => {
  configure(own);
  write(100);
  expect((await once()).code).toBe(0);
  // The sink cannot be written to: its folder is a file.
  writeFileSync(join(folder, 'taken'), '');
  configure(own, { out: 'taken/out.log' });
  write(23);
  const stuck = start(['up'], { cwd: folder });
  const positions = join(folder, 'tailrace-data', 'app-0', '00000000000000000000.log');
  await until('the lines are in the topic', () => readFileSync(positions).includes('"n":122'));
  stuck.signal('SIGINT');
  await stuck.end();

  const central = start(['up', 'central.yaml'], { cwd: folder });
  await until('the other broker listens', () => central.stdout.includes('broker'));
  writeFileSync(
    join(folder, 'sender.yaml'),
    `{ broker: "kafka://127.0.0.1:${port}", agents: { app: "tail:./logs/app.log" } }\n`,
  );
  const sender = () => run(['up', 'sender.yaml', '--once'], { cwd: folder });
  const refused = await sender();
  expect(refused.code).not.toBe(0);
  expect(refused.stderr).toContain('records of app for web.files');

  configure(own);
  expect((await once()).code).toBe(0);
  expect(numbers()).toEqual(all(123));
  write(2);
  const accepted = await sender();
  expect(accepted.code, accepted.stderr).toBe(0);
  const consumed = await run(['consume', 'app', '--broker', `127.0.0.1:${port}`], { cwd: folder });
  expect(consumed.stdout).toBe('{"n":123}\n{"n":124}\n');
}, 120_000);

it.each(['out.log', 'out/{partition}.log'])(
  'publishes to %s what was decided there before it was killed',
  async (out) => {
    configure(own, { out });
    write(100);
    const killed = await run(['up', '--once'], { cwd: folder, env: { TAILRACE_CRASH_AT: 'edge.decided' } });
    expect(killed.code).not.toBe(0);

    const central = start(['up', 'central.yaml'], { cwd: folder });
    await until('the other broker listens', () => central.stdout.includes('broker'));
    configure(`kafka://127.0.0.1:${port}`, { out });
    write(10);
    const moved = await once();
    expect(moved.code, moved.stderr).toBe(0);
    const files = out === 'out.log' ? [out] : readdirSync(join(folder, 'out')).map((name) => join('out', name));
    const lines = files.flatMap((name) => readFileSync(join(folder, name), 'utf8').trim().split('\n'));
    expect(lines.toSorted()).toEqual(
      all(110)
        .map((n) => JSON.stringify({ n }))
        .toSorted(),
    );
  },
  120_000,
);
