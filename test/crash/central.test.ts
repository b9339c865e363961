// Many machines, one Tailrace: two senders that only have agents feed a central process that has the broker and the pipelines, over TLS and with SCRAM. They start
// before it is there; it is killed with -9 and stays away while lines go on being written, comes back and is killed again; a sender is killed with -9 too. Every
// line is in the sink exactly once, and senders keep nothing in memory while they wait.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { endAll, freePort, type RunningCommand, start, until } from '../support/command.ts';
import { countLines, RotatingWriter } from '../support/numbered-lines.ts';
import { selfSigned } from '../support/self-signed.ts';

/** Of each sender, while the central one is there and while it is away; CENTRAL_LINES=500000 for the long form. */
const firstLines = 20_000;
const lines = Number(process.env['CENTRAL_LINES'] ?? 50_000);
const total = 2 * (firstLines + lines);
const textBytes = 2000;
const mostGrowthBytes = 32 * 1024 * 1024;

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
broker:
  listen: { address: "127.0.0.1:${port}", tls: { cert: cert.pem, key: key.pem }, sasl: [ scram-sha-512 ] }
  users: { one: first-secret, two: second-secret }
topics: { app: { partitions: 2 } }
pipelines: { keep: { from: app, to: files } }
sinks: { files: { type: file, path: "out/{partition}-{offset}.log", roll: { size: 1MB, age: 300ms } } }
`,
  );
  const { cert, key } = selfSigned();
  writeFileSync(join(folder, 'cert.pem'), cert);
  writeFileSync(join(folder, 'key.pem'), key);
  // Each sender has a folder of its own, as a machine has, and a user of its own.
  const secrets = { one: 'first-secret', two: 'second-secret' };
  const senders = (['one', 'two'] as const).map((name, first) => {
    const cwd = join(folder, name);
    mkdirSync(join(cwd, 'logs'), { recursive: true });
    writeFileSync(join(cwd, 'secret'), secrets[name]);
    writeFileSync(
      join(cwd, 'sender.yaml'),
      `
broker:
  url: kafka://127.0.0.1:${port}
  tls: { ca: ../cert.pem }
  sasl: { user: ${name}, password: "\${file:secret}" }
agents: { app: { type: tail, paths: [ "./logs/*.log*" ] } }
`,
    );
    const run = () => start(['up', 'sender.yaml'], { cwd });
    const writer = new RotatingWriter(join(cwd, 'logs', 'app.log'), { first, step: 2, count: firstLines, pauseMs: 40 });
    const writeMore = () =>
      new RotatingWriter(join(cwd, 'logs', 'more.log'), {
        first: 2 * firstLines + first,
        step: 2,
        count: lines,
        textBytes,
      });
    return { run, writer, writeMore, command: run() };
  });
  const central = () => start(['up', 'central.yaml', '--log-level', 'warn'], { cwd: folder });
  const [one, two] = senders as [(typeof senders)[0], (typeof senders)[0]];
  const found = async () => {
    const { lost } = await countLines(join(folder, 'out'), total).catch(() => ({ lost: total }));
    return total - lost;
  };
  await until('both wait', () => senders.every(({ command }) => command.stderr.includes('waiting for the brokers')));

  const killed = central();
  await until('the first lines', async () => (await found()) > 0, 60_000);
  two.command.signal('SIGKILL');
  await two.command.end();
  two.command = two.run();
  const before = await found();
  await until('more lines', async () => (await found()) > before || before === 2 * firstLines, 60_000);
  killed.signal('SIGKILL');
  await killed.end();
  const awayBytes = residentBytes(one.command);
  await Promise.all(senders.map(({ writer, writeMore }) => Promise.all([writer.finished(), writeMore().finished()])));
  // More than a sender may grow by: had it kept what it could not send, it would show.
  expect((lines * textBytes) / 2).toBeGreaterThan(mostGrowthBytes);
  expect(residentBytes(one.command) - awayBytes).toBeLessThan(mostGrowthBytes);

  const killedAgain = central();
  const beforeAgain = await found();
  await until('more lines', async () => (await found()) > beforeAgain, 60_000);
  killedAgain.signal('SIGKILL');
  await killedAgain.end();
  const back = central();
  await until('all lines', async () => (await found()) === total, 120_000);
  for (const each of [one.command, two.command, back]) {
    each.signal('SIGTERM');
    expect((await each.end()).code).toBe(0);
  }
  expect(await countLines(join(folder, 'out'), total)).toEqual({ lost: 0, doubled: 0 });
}, 300_000);
