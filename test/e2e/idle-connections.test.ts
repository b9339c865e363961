// Many connections that say nothing: what one costs, that who works is not held up, and that half-open ones (their client vanished without a word, with or
// without half a request sent) are closed after connections.max.idle.ms. `CROWD=10000 npx vitest run --project e2e test/e2e/idle-connections.test.ts` is the long form;
// its figures stand in docs/performance.md.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { apis } from '../../broker/wire/apis.ts';
import { encodeRequest } from '../../broker/wire/frame.ts';
import { endAll, freePort, start, until } from '../support/command.ts';
import { RawClient } from '../support/raw-client.ts';

const count = Number(process.env.CROWD ?? 300);
const idleMs = count > 1000 ? 60_000 : 3000;
/** Short forms say little about the memory of one connection. */
const greatestBytes = count > 1000 ? 40_000 : 400_000;
const patienceMs = 240_000;

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tailrace-idle-'));
});
afterEach(async () => {
  await endAll();
  await rm(folder, { recursive: true, force: true });
});

const request = Buffer.concat(encodeRequest('Metadata', 9, 1, 'idle', apis.Metadata.request.create({ topics: [] })));
/** What a client says before it falls silent: nothing, a request, or half of one. */
const lastWords = [Buffer.alloc(0), request, request.subarray(0, 11)];

async function residentBytes(pid: number): Promise<number> {
  const [, kilobytes] = /VmRSS:\s+(\d+) kB/.exec(await readFile(`/proc/${pid}/status`, 'utf8'))!;
  return Number(kilobytes) * 1024;
}

it(
  `${count} idle connections cost little, hold up nobody, and are closed when their time is up`,
  { timeout: 600_000 },
  async () => {
    const port = await freePort();
    const settings = `{ connections.max.idle.ms: ${idleMs} }`;
    await writeFile(join(folder, 'tailrace.yaml'), `broker: { listen: "127.0.0.1:${port}", settings: ${settings} }\n`);
    const up = start(['up'], { cwd: folder });
    const worker = await until('it listens', () => RawClient.connect(port).catch(() => undefined), patienceMs);
    const work = () => worker.request('Metadata', 9, apis.Metadata.request.create({ topics: [] }));
    for (let round = 0; round < 200; round++) await work();
    const beforeBytes = await residentBytes(up.process.pid!);

    const crowd: Socket[] = [];
    let closed = 0;
    const enter = (index: number) =>
      new Promise<void>((resolve, reject) => {
        const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
        socket.once('error', reject);
        socket.once('connect', () => {
          socket.off('error', reject).on('error', () => undefined);
          socket
            .once('end', () => socket.destroy())
            .once('close', () => closed++)
            .resume();
          socket.write(lastWords[index % lastWords.length]!);
          crowd.push(socket);
          resolve();
        });
      });
    // No more at once than the system keeps in line for the listener.
    while (crowd.length < count) await Promise.all(Array.from({ length: 100 }, (_, index) => enter(index)));
    for (let round = 0; round < 200; round++) await work();
    const eachBytes = ((await residentBytes(up.process.pid!)) - beforeBytes) / crowd.length;
    expect(eachBytes).toBeLessThan(greatestBytes);
    if (count > 1000) console.log(`${crowd.length} connections, ${Math.round(eachBytes)} bytes of memory each`);

    // All of the crowd is closed in the end, while the worker, who says something now and then, is not.
    const allAreClosed = async () => {
      await work();
      return closed === crowd.length;
    };
    await until('the silent ones are closed', allAreClosed, patienceMs);
    await expect(work()).resolves.toMatchObject({ brokers: [{ nodeId: 1 }] });
    worker.close();
  },
);
