// A pipeline or an agent that is given another name is another one, which begins anew: whoever renames it is told, by `check` before, by `reload` and `up` when it happens.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { endAll, freePort, run, start, until } from '../support/command.ts';

let folder: string;
let port: number;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tailrace-renamed-'));
  port = await freePort();
  writeFileSync(join(folder, 'app.log'), Array.from({ length: 500 }, (_, index) => `line ${index}\n`).join(''));
});
afterEach(async () => {
  await endAll();
  rmSync(folder, { recursive: true, force: true });
});

function configure(agent: string, pipeline: string): void {
  writeFileSync(
    join(folder, 'tailrace.yaml'),
    `broker: { listen: "127.0.0.1:${port}" }
agents: { ${agent}: { type: tail, paths: [ "app.log" ], to: app } }
pipelines: { ${pipeline}: { from: app, to: files } }
sinks: { files: { type: file, path: "out-${agent}-${pipeline}/{partition}-{offset}.log", roll: { size: 1MB, idle: 50ms } } }
`,
  );
}

const command = (...args: string[]) => run(args, { cwd: folder });
const published = (directory: string) => {
  const names = readdirSync(folder).includes(directory) ? readdirSync(join(folder, directory)) : [];
  const shown = names.filter((name) => !name.startsWith('.'));
  return shown.map((name) => readFileSync(join(folder, directory, name), 'utf8')).join('');
};
const lines = (text: string) => text.split('\n').length - 1;

it('says that it begins anew, and what comes again', async () => {
  configure('app', 'keep');
  const running = start(['up'], { cwd: folder });
  await until('the lines', () => lines(published('out-app-keep')) === 500);
  expect((await command('check')).stdout).not.toMatch(/is new/);

  configure('app', 'store');
  const told = 'edge store.files is new: it begins at the beginning of topic app (up to 50';
  expect((await command('check')).stdout).toContain(told);
  const renamed = await command('reload');
  expect(renamed.stdout).toMatch(
    /edge keep\.files removed\nedge store\.files added: new, begins at the beginning of topic app \(up to 50\d records\)\nreloaded/,
  );
  await until('the lines again', () => lines(published('out-app-store')) === 500);

  configure('app', 'keep');
  expect((await command('reload')).stdout).toMatch(/edge keep\.files added: goes on where it was\n/);
  configure('logs', 'keep');
  expect((await command('reload')).stdout).toMatch(
    /agent app removed\nagent logs added: new, begins at the beginning of its files; what app read of them is read again\n/,
  );
  await until('what it read again', () => lines(published('out-logs-keep')) === 500);
  configure('app', 'keep');
  expect((await command('reload')).stdout).toMatch(/agent logs removed\nagent app added: goes on where it was\n/);
  running.signal('SIGTERM');
  const { code, stderr } = await running.end();
  expect([code, stderr]).toEqual([0, expect.not.stringContaining('is new')]);

  configure('app', 'later');
  const once = await command('up', '--once');
  expect(once.stderr).toMatch(
    /edge later\.files is new: it begins at the beginning of topic app \(up to 1,00\d records\)/,
  );
});

it('names what was delivered to the same place', async () => {
  configure('app', 'keep');
  const running = start(['up'], { cwd: folder });
  await until('the lines', () => lines(published('out-app-keep')) === 500);
  const file = join(folder, 'tailrace.yaml');
  writeFileSync(file, readFileSync(file, 'utf8').replace('{ keep:', '{ other:'));
  expect((await command('reload')).stdout).toContain('; what keep.files delivered there is delivered again\n');
  running.signal('SIGTERM');
  expect((await running.end()).code).toBe(0);
});
