// What a start cannot have, such as addresses that another process listens on: one message that says which, where it is written and what to do; what had begun is ended in order.
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { endAll, freePort, run } from '../support/command.ts';

let folder: string;
let taken: number;
let other: Server;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tailrace-taken-'));
  taken = await freePort();
  other = createServer().listen(taken, '127.0.0.1');
  await once(other, 'listening');
});
afterEach(async () => {
  await endAll();
  other.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Of `up`, with these addresses; the agent is on line 2, column 44. */
async function up(broker: number, agent: number, ...args: string[]) {
  writeFileSync(
    join(folder, 'tailrace.yaml'),
    `broker: { listen: "127.0.0.1:${broker}" }
agents: { app: "tail://${folder}/app.log", push: { type: http, listen: "127.0.0.1:${agent}", to: pushed } }
pipelines: { keep: { from: app, to: files } }
sinks: { files: "file:out/{partition}-{offset}.log" }
`,
  );
  return run(['up', ...args], { cwd: folder });
}

it('of an agent: what had begun ends in order, and leaves nothing that is not published', async () => {
  const lines = Array.from({ length: 5000 }, (_, index) => `line ${index}\n`).join('');
  writeFileSync(join(folder, 'app.log'), lines);
  expect((await up(await freePort(), await freePort(), '--once')).code).toBe(0);
  writeFileSync(join(folder, 'app.log'), `${lines}more\n`);
  const { code, stderr } = await up(await freePort(), taken);
  expect(stderr).toMatch(
    new RegExp(
      `^tailrace: tailrace.yaml:2:\\d+: agent push cannot listen on 127.0.0.1:${taken}: another process listens there\\n +TLR_LISTEN: .*\\n$`,
    ),
  );
  expect(code).toBe(1);
  expect(readdirSync(join(folder, 'out')).filter((name) => name.startsWith('.'))).toEqual([]);
  expect((await up(await freePort(), await freePort(), '--once')).stdout).toMatch(/5,001 +5,001.* yes/);
});

it('of the broker', async () => {
  const { code, stderr } = await up(taken, await freePort());
  expect(stderr).toMatch(
    new RegExp(
      `^tailrace: tailrace.yaml:1:\\d+: the broker cannot listen on 127.0.0.1:${taken}: another process listens there\\n +TLR_LISTEN: .*\\n$`,
    ),
  );
  expect(code).toBe(1);
});

it('of a data directory that is a file', async () => {
  writeFileSync(join(folder, 'tailrace-data'), '');
  const { code, stderr } = await up(await freePort(), await freePort());
  expect(stderr).toMatch(/^tailrace: the data directory .*tailrace-data cannot be used: .*\n +TLR_UNREADABLE: .*\n$/);
  expect(code).toBe(1);
});
