// Many machines, one Tailrace: two senders that only have agents feed a central process that has the broker and the pipelines. They start before it is there; it
// is killed with -9 and stays away while lines go on being written; a sender is killed with -9 too. Every line is in the sink exactly once, and senders keep
// nothing in memory while they wait.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { endAll, freePort, type RunningCommand, start, until } from '../support/command.ts';
import { countLines, RotatingWriter } from '../support/numbered-lines.ts';

/** Of each sender; CENTRAL_LINES=1000000 for the long form. */
const lines = Number(process.env['CENTRAL_LINES'] ?? 250_000);
const averageLineBytes = 60;
const mostGrowthBytes = 10 * 1024 * 1024;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tailrace-central-'));
});
afterEach(async () => {
  await endAll();
  rmSync(folder, { recursive: true, force: true });
});

/** Resident memory of a running command, in bytes. */
function residentBytes({ process: { pid } }: RunningCommand): number {
  const kilobytes = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid!}/status`, 'utf8'))?.[1];
  return Number(kilobytes) * 1024;
}

it('loses nothing and doubles nothing while the central one is away', async () => {
  const port = await freePort();
  writeFileSync(
    join(folder, 'central.yaml'),
    `
broker: { listen: "127.0.0.1:${port}" }
topics: { app: { partitions: 2 } }
pipelines: { keep: { from: app, to: files } }
sinks: { files: { type: file, path: "out/{partition}-{offset}.log", roll: { size: 1MB, age: 300ms } } }
`,
  );
  // Positions outlast the sender, not the central's data: each sender has a folder of its own, as a machine has.
  const senders = ['one', 'two'].map((name, first) => {
    const cwd = join(folder, name);
    mkdirSync(join(cwd, 'logs'), { recursive: true });
    writeFileSync(
      join(cwd, 'sender.yaml'),
      `
broker: kafka://127.0.0.1:${port}
agents: { app: { type: tail, paths: [ "./logs/app.log*" ] } }
`,
    );
    const run = () => start(['up', 'sender.yaml'], { cwd });
    const writer = new RotatingWriter(join(cwd, 'logs', 'app.log'), { first, step: 2, count: lines, pauseMs: 4 });
    return { run, writer, command: run() };
  });
  const central = () => start(['up', 'central.yaml', '--log-level', 'warn'], { cwd: folder });
  const [one, two] = senders as [(typeof senders)[0], (typeof senders)[0]];
  const found = async () => {
    const { lost } = await countLines(join(folder, 'out'), 2 * lines).catch(() => ({ lost: 2 * lines }));
    return 2 * lines - lost;
  };
  await until('both wait', () => senders.every(({ command }) => command.stderr.includes('waiting for the brokers')));

  const killed = central();
  await until('the first lines', async () => (await found()) > 0, 60_000);
  two.command.signal('SIGKILL');
  await two.command.end();
  two.command = two.run();
  const before = await found();
  await until('more lines', async () => (await found()) > before, 60_000);
  killed.signal('SIGKILL');
  await killed.end();
  const writtenBefore = one.writer.written;
  const awayBytes = residentBytes(one.command);
  await Promise.all(senders.map(({ writer }) => writer.finished()));
  // More than a sender may grow by: had it kept what it could not send, it would show.
  expect((one.writer.written - writtenBefore) * averageLineBytes).toBeGreaterThan(mostGrowthBytes);
  expect(residentBytes(one.command) - awayBytes).toBeLessThan(mostGrowthBytes);

  const back = central();
  await until('all lines', async () => (await found()) === 2 * lines, 120_000);
  for (const each of [one.command, two.command, back]) {
    each.signal('SIGTERM');
    expect((await each.end()).code).toBe(0);
  }
  expect(await countLines(join(folder, 'out'), 2 * lines)).toEqual({ lost: 0, doubled: 0 });
}, 300_000);
