// HTTP in: bodies of 1 MB of NDJSON, posted over several connections to the command as it runs, each answered when it is durable. Beside it stand
// the limits of the same machine in the same run: the same bodies to a server that only throws them away, JSON.parse of the same lines, and our
// scanner alone.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { Agent, createServer, request } from 'node:http';
import { join } from 'node:path';
import { cutRecords } from '../agents/http/formats.ts';
import { freePort, until } from '../test/support/command.ts';
import { jsonLine } from './lines.ts';
import { hottest, MeasuredCommand } from './measured.ts';

const bodies = Number(process.env['BENCH_BODIES'] ?? 600);
const parallel = Number(process.env['BENCH_CLIENTS'] ?? 8);
const rounds = Number(process.env['BENCH_ROUNDS'] ?? 3);
const goalMegabytes = 100;

function makeBody(): Buffer {
  const lines: string[] = [];
  for (let index = 0, bytes = 0; bytes < 1_000_000; index++) {
    const line = jsonLine(index);
    lines.push(line);
    bytes += line.length + 1;
  }
  return Buffer.from(lines.join('\n') + '\n');
}

function post(agent: Agent, port: number, body: Buffer): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/x-ndjson', 'content-length': body.length };
    const sent = request({ agent, host: '127.0.0.1', port, path: '/ingest/app', method: 'POST', headers }, (answer) => {
      answer.resume();
      answer.on('end', () => resolve(answer.statusCode ?? 0));
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

/** MB/s of `bodies` posted over `parallel` connections. */
async function postAll(port: number, body: Buffer): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: parallel });
  let left = bodies;
  const startedMs = performance.now();
  const client = async () => {
    while (left-- > 0) {
      const status = await post(agent, port, body);
      if (status !== 200) throw new Error(`answered ${status}`);
    }
  };
  await Promise.all(Array.from({ length: parallel }, client));
  const seconds = (performance.now() - startedMs) / 1000;
  agent.destroy();
  return (bodies * body.length) / 1e6 / seconds;
}

/** In a process of its own, as the real one is. */
async function discarding(body: Buffer): Promise<number> {
  const port = await freePort();
  const child = spawn(process.execPath, [import.meta.filename, 'discard', String(port)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  try {
    return await postAll(port, body);
  } finally {
    await end(child);
  }
}

async function end(child: ChildProcess): Promise<void> {
  child.kill('SIGTERM');
  if (child.exitCode === null && child.signalCode === null) await once(child, 'close');
}

function inMemory(work: () => void, bytes: number): number {
  const startedMs = performance.now();
  for (let round = 0; round < 50; round++) work();
  return (50 * bytes) / 1e6 / ((performance.now() - startedMs) / 1000);
}

const shown = (megabytes: number) => `${megabytes.toFixed(0).padStart(6)} MB/s`;

/** Posts to a command of its own, and gives its output to `use` when it has ended. */
async function withIntake<T>(
  folder: string,
  profiles: string | undefined,
  use: (port: number, command: MeasuredCommand) => Promise<T>,
) {
  const [port, brokerPort] = [await freePort(), await freePort()];
  const config = join(folder, 'http.yaml');
  const data = join(folder, 'http-data');
  writeFileSync(
    config,
    `data: ${data}
broker: { listen: "127.0.0.1:${brokerPort}" }
agents: { push: { type: http, listen: "127.0.0.1:${port}", to: app } }
`,
  );
  const command = new MeasuredCommand(['up', config], { ...(profiles === undefined ? {} : { profiles }) });
  try {
    await until('it listens', () => command.log.includes('listening'));
    return { found: await use(port, command), command };
  } finally {
    await command.terminate();
    rmSync(data, { recursive: true });
  }
}

/** `npm run bench http`: a part of `npm run bench pipelines`. */
export async function http(folder: string): Promise<void> {
  const body = makeBody();
  const lines = body.toString().trimEnd().split('\n');
  console.log(`HTTP NDJSON, ${bodies} bodies of 1 MB (${lines.length} lines each), ${parallel} connections`);
  const { found } = await withIntake(folder, undefined, async (port, command) => {
    const { mainSeconds } = command.usage;
    let best = 0;
    for (let round = 0; round < rounds; round++) best = Math.max(best, await postAll(port, body));
    return { best, own: (rounds * bodies * body.length) / 1e6 / (command.usage.mainSeconds - mainSeconds) };
  });
  const { best, own } = found;
  const { command } = await withIntake(folder, folder, (port) => postAll(port, body));
  const discarded = await discarding(body);
  const parsed = inMemory(() => lines.forEach((line) => void JSON.parse(line)), body.length);
  const scanned = inMemory(() => cutRecords('ndjson', body, 1_000_000), body.length);
  const verdict = best >= goalMegabytes ? 'reached' : 'MISSED';
  console.log(`  into a topic, durable   ${shown(best)}   goal ${goalMegabytes}: ${verdict}`);
  console.log(`  by its main thread's time${shown(own).slice(1)}   if nobody else used the machine`);
  console.log(`    profile: ${hottest(command.profile())}`);
  console.log(`  thrown away             ${shown(discarded)}   ratio ${(discarded / best).toFixed(1)}`);
  console.log(`  JSON.parse alone        ${shown(parsed)}`);
  console.log(`  our scanner alone       ${shown(scanned)}`);
}

// The server that only throws away.
if (process.argv[2] === 'discard') {
  const server = createServer((incoming, answer) => {
    incoming.resume();
    incoming.on('end', () => answer.end('{}'));
  });
  server.listen(Number(process.argv[3]), '127.0.0.1', () => console.log('listening'));
}
