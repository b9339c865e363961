// Topic and tail → the sink `elasticsearch`, without steps: JSON lines that go out unparsed, from the command as it runs to a store that only counts
// (counting-server.ts, a process of its own). Beside it stands what the same store takes of ready-made bodies: the limit of the loopback and of the counting.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatCount } from '../base/units.ts';
import { PassThroughBatch } from '../pipelines/source-batch.ts';
import { BulkWriter } from '../sinks/elasticsearch/bulk.ts';
import { IndexTemplate } from '../sinks/elasticsearch/index-name.ts';
import { freePort } from '../test/support/command.ts';
import { jsonLine, writeLines } from './lines.ts';
import { hottest, MeasuredCommand } from './measured.ts';
import { fetchesOf } from './steps.ts';

const lineCount = Number(process.env['BENCH_LINES'] ?? 2_000_000);
const rounds = Number(process.env['BENCH_ROUNDS'] ?? 3);
const goalMegabytes = 100;
/** What a store takes for a bulk, beside nothing. */
const delays = [5, 50];
/** As the sink's default. */
const parallel = 4;

interface Counted {
  items: number;
  bytes: number;
  ms: number;
}

export interface Shipment {
  /** Of lines a second, from the first byte that the store saw to its last answer. */
  megabytes: number;
  /** By the main thread's own time, start and end taken off: what it would be if nobody else used the machine. */
  megabytesOwn: number;
}

/** A folder with lines in a file, and a topic that holds them. */
export class FilledTopic {
  readonly folder: string;
  readonly count: number;
  bytes = 0;
  private readonly port: number;
  private pipelines = 0;

  private constructor(folder: string, port: number, count: number) {
    this.folder = folder;
    this.port = port;
    this.count = count;
  }

  static async fill(folder: string, count: number): Promise<FilledTopic> {
    const topic = new FilledTopic(folder, await freePort(), count);
    topic.bytes = writeLines(join(folder, 'lines.ndjson'), count, jsonLine);
    const command = new MeasuredCommand(['up', topic.config(topic.agent), ...topic.onceFlags('data')]);
    await command.end();
    return topic;
  }

  get agent(): string {
    return `agents: { lines: { type: tail, paths: [ "${join(this.folder, 'lines.ndjson')}" ] } }\n`;
  }

  /** A run that has nothing to bring into `sink`. */
  idle(sink: string): MeasuredCommand {
    const pipeline = `topics: { none: {} }\npipelines: { idle: { from: none, to: store } }\nsinks: { store: ${sink} }\n`;
    return new MeasuredCommand(['up', this.config(pipeline), ...this.onceFlags('data')]);
  }

  /** A run over everything by a new pipeline into `sink`, from the topic or from the file through a topic of its own. */
  run(sink: string, from: 'topic' | 'file', profiles?: string): MeasuredCommand {
    const name = `p${++this.pipelines}`;
    const source = from === 'file' ? this.agent : 'topics: { lines: {} }\n';
    const pipeline = `pipelines: { ${name}: { from: lines, to: store } }\nsinks: { store: ${sink} }\n`;
    if (from === 'file') rmSync(join(this.folder, 'data-of-file'), { recursive: true, force: true });
    const data = from === 'file' ? 'data-of-file' : 'data';
    return new MeasuredCommand(['up', this.config(source + pipeline), ...this.onceFlags(data)], {
      ...(profiles === undefined ? {} : { profiles }),
    });
  }

  private onceFlags(data: string): string[] {
    return ['--once', '--json', '--log-level', 'warn', '--data', join(this.folder, data)];
  }

  private config(rest: string): string {
    const path = join(this.folder, 'bulk.yaml');
    writeFileSync(path, `broker: { listen: "127.0.0.1:${this.port}" }\n${rest}`);
    return path;
  }
}

/** Bodies as the sink makes them, of `count` lines, for whoever sends them without us. */
export function bulkBodies(count: number, index: string): Buffer[] {
  const options = {
    index: new IndexTemplate(index),
    operation: 'create' as const,
    pipeline: 'bare',
    ids: 'coordinates' as const,
  };
  const writer = new BulkWriter({ ...options, ecs: false });
  const bodies: Buffer[] = [];
  for (const fetched of fetchesOf(jsonLine, count, 8000)) {
    const batch = new PassThroughBatch(fetched);
    bodies.push(writer.write(batch, 0, { bytes: Infinity, count: Infinity }).bulk!.body);
  }
  return bodies;
}

/** Sends bodies to `${url}/_bulk` by a bare loop of undici, as many side by side as the sink has. Returns the seconds it took. */
export async function sendBare(url: string, bodies: readonly Buffer[]): Promise<number> {
  const { Pool } = await import('undici');
  const pool = new Pool(url, { connections: parallel, pipelining: 1 });
  let next = 0;
  const startedMs = performance.now();
  const client = async () => {
    while (next < bodies.length) {
      const body = bodies[next++]!;
      const path = '/_bulk?filter_path=errors,items.*.status,items.*.error';
      const headers = { 'content-type': 'application/x-ndjson' };
      const answer = await pool.request({ path, method: 'POST', headers, body });
      const text = await answer.body.text();
      if (!text.startsWith('{"errors":false')) throw new Error(`answered ${answer.statusCode}: ${text.slice(0, 500)}`);
    }
  };
  await Promise.all(Array.from({ length: parallel }, client));
  const seconds = (performance.now() - startedMs) / 1000;
  await pool.close();
  return seconds;
}

class CountingServer {
  readonly url: string;
  private readonly child: ChildProcess;

  private constructor(port: number, delayMs: number) {
    this.url = `http://127.0.0.1:${port}`;
    this.child = spawn(
      process.execPath,
      [join(import.meta.dirname, 'counting-server.ts'), String(port), String(delayMs)],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
  }

  static async start(delayMs = 0): Promise<CountingServer> {
    const server = new CountingServer(await freePort(), delayMs);
    await once(server.child.stdout!, 'data');
    return server;
  }

  /** For the YAML. */
  get sink(): string {
    return `"${this.url.replace('http:', 'elasticsearch:')}/app-%Y.%m.%d"`;
  }

  async counted(): Promise<Counted> {
    const answer = await fetch(`${this.url}/_counted`, { headers: { connection: 'close' } });
    return (await answer.json()) as Counted;
  }

  async end(): Promise<void> {
    this.child.kill('SIGTERM');
    await once(this.child, 'close');
  }
}

async function ship(
  topic: FilledTopic,
  server: CountingServer,
  { from, idleSeconds, profiles }: { from: 'topic' | 'file'; idleSeconds: number; profiles?: string },
): Promise<Shipment> {
  const command = topic.run(server.sink, from, profiles);
  const { mainSeconds } = await command.end();
  const { items, ms } = await server.counted();
  if (items !== topic.count) throw new Error(`${items} items arrived of ${topic.count}`);
  if (profiles !== undefined) console.log(`    profile: ${hottest(command.profile())}`);
  return { megabytes: topic.bytes / 1e3 / ms, megabytesOwn: topic.bytes / 1e6 / (mainSeconds - idleSeconds) };
}

const shown = (megabytes: number) => `${megabytes.toFixed(0).padStart(6)} MB/s`;

/** `npm run bench bulk`: a part of `npm run bench pipelines`. */
export async function bulk(folder: string): Promise<void> {
  const topic = await FilledTopic.fill(folder, lineCount);
  const server = await CountingServer.start();
  const lineBytes = topic.bytes / lineCount;
  const { mainSeconds: idleSeconds } = await topic.idle(server.sink).end();
  try {
    console.log(
      `to a store that only counts, ${formatCount(lineCount)} JSON lines of ${lineBytes.toFixed(0)} bytes, no steps`,
    );
    for (const from of ['topic', 'file'] as const) {
      const shipments: Shipment[] = [];
      for (let round = 0; round < rounds; round++) shipments.push(await ship(topic, server, { from, idleSeconds }));
      const best = shipments.toSorted((one, other) => other.megabytes - one.megabytes)[0]!;
      const verdict =
        from === 'file' ? '' : `   goal ${goalMegabytes}: ${best.megabytes >= goalMegabytes ? 'reached' : 'MISSED'}`;
      const each = `${formatCount(Math.round((best.megabytes * 1e6) / lineBytes))} lines/s;${shown(best.megabytesOwn)} by its main thread's own time`;
      console.log(
        `  ${from === 'file' ? 'tail → topic → sink' : 'topic → sink       '} ${shown(best.megabytes)}${verdict}   (${each})`,
      );
      await ship(topic, server, { from, idleSeconds, profiles: folder });
    }
    const bodies = bulkBodies(lineCount / 4, 'app-2026.11.22');
    await sendBare(server.url, bodies);
    const bare = topic.bytes / 4e6 / (await sendBare(server.url, bodies));
    console.log(`  ready-made bodies   ${shown(bare)} of lines, by a bare loop of undici`);
  } finally {
    await server.end();
  }
  for (const delayMs of delays) await late(topic, delayMs, idleSeconds);
}

/** To a store that takes a while for each bulk. */
async function late(topic: FilledTopic, delayMs: number, idleSeconds: number): Promise<void> {
  const server = await CountingServer.start(delayMs);
  try {
    let best = 0;
    for (let round = 0; round < rounds; round++)
      best = Math.max(best, (await ship(topic, server, { from: 'topic', idleSeconds })).megabytes);
    console.log(`  topic → sink        ${shown(best)}, each bulk answered after ${delayMs} ms`);
  } finally {
    await server.end();
  }
}
