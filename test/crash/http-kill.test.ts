// Lines posted over HTTP, the process killed with -9 right after the last 2xx, others under way: each acknowledged line is in the topic exactly once.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { endAll, freePort, run, start, until } from '../support/command.ts';

const linesWanted = 20_000;
const linesPerRequest = 25;
const clients = 8;
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tailrace-http-'));
});
afterEach(async () => {
  await endAll();
  rmSync(folder, { recursive: true, force: true });
});

it.each(['with keys, repeated after the kill', 'without keys'])('keeps what it acknowledged: %s', async (way) => {
  const keyed = way.startsWith('with keys');
  const [port, brokerPort] = [await freePort(), await freePort()];
  writeFileSync(
    join(folder, 'tailrace.yaml'),
    `
broker: { listen: "127.0.0.1:${brokerPort}" }
agents: { push: { type: http, listen: "127.0.0.1:${port}", to: app } }
`,
  );
  const bodyOf = (request: number) =>
    Array.from({ length: linesPerRequest }, (_none, line) => `{"line":${request * linesPerRequest + line}}\n`).join('');
  const post = (request: number) =>
    fetch(`http://127.0.0.1:${port}/ingest/app`, {
      method: 'POST',
      body: bodyOf(request),
      headers: {
        'content-type': 'application/x-ndjson',
        ...(keyed ? { 'idempotency-key': `request-${request}` } : {}),
      },
    });
  const acknowledged = new Set<number>();
  const doubtful = new Set<number>();
  let next = 0;
  const first = start(['up'], { cwd: folder });
  await until('it listens', () => first.stderr.includes('listening') || first.stdout.includes('reading'));
  const send = async () => {
    while (acknowledged.size * linesPerRequest < linesWanted) {
      const request = next++;
      doubtful.add(request);
      try {
        if ((await post(request)).status === 200) {
          doubtful.delete(request);
          acknowledged.add(request);
        }
      } catch {
        return;
      }
      if (acknowledged.size * linesPerRequest >= linesWanted) first.signal('SIGKILL');
    }
  };
  await Promise.all(Array.from({ length: clients }, send));
  expect((await first.end()).signal).toBe('SIGKILL');

  const second = start(['up'], { cwd: folder });
  await until('it listens again', () => second.stderr.includes('listening') || second.stdout.includes('reading'));
  if (keyed) {
    for (const request of doubtful) {
      expect((await post(request)).status).toBe(200);
      acknowledged.add(request);
    }
  }
  const args = ['consume', 'app', '--broker', `127.0.0.1:${brokerPort}`, '--from', 'earliest', '--until', 'now'];
  const { stdout } = await run(args, { cwd: folder });
  const counts = new Map<number, number>();
  for (const text of stdout.trim().split('\n')) {
    const { line } = JSON.parse(text) as { line: number };
    counts.set(line, (counts.get(line) ?? 0) + 1);
  }
  expect([...counts.values()].filter((count) => count !== 1)).toEqual([]);
  expect(acknowledged.size * linesPerRequest).toBeGreaterThanOrEqual(linesWanted);
  for (const request of acknowledged)
    for (let line = 0; line < linesPerRequest; line++)
      expect(counts.get(request * linesPerRequest + line), `line ${line} of request ${request}`).toBe(1);
  const known = acknowledged.size + (keyed ? 0 : doubtful.size);
  expect(counts.size).toBeLessThanOrEqual(known * linesPerRequest);
  second.signal('SIGTERM');
  expect((await second.end()).code).toBe(0);
});
