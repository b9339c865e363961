// A hundred reloads while lines come in, by file and over the socket: sinks move, agents, pipelines and steps come and go, some configurations are broken or name
// sinks that cannot be opened. No line is lost or doubled, no connection refused or dropped, what does not change is not disturbed, and memory stays flat.
// RELOADS sets the number (100 unless told otherwise), RELOAD_SEED the order.
import {
  appendFileSync,
  createReadStream,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';
import { Kafka, logLevel, type Producer } from 'kafkajs';
import { afterEach, expect, it } from 'vitest';
import { askForReload } from '../../cli/reload-requests.ts';
import { endAll, freePort, run, type RunningCommand, start, until } from '../support/command.ts';

const reloads = Number(process.env['RELOADS'] ?? 100);
const seed = Number(process.env['RELOAD_SEED'] ?? Date.now() % 1_000_000);
/** Reloads until memory counts: code is compiled, buffers and caches have their size. */
const warmUp = Math.floor(reloads / 4);
/**
 * How much memory may grow from then on. The same load without any reload adds up to 40 MiB of buffers (the broker's last records come to lie in larger pieces of
 * memory than they need); of objects a hundred reloads leave next to nothing.
 */
const growthLimits = { objectBytes: 6 * 1024 * 1024, bufferBytes: 64 * 1024 * 1024, parts: 4 };

afterEach(endAll);

/** Runs `work` again and again until stopped; what it throws is thrown by stop(). */
class Loop {
  private isStopping = false;
  private readonly ended: Promise<void>;

  constructor(work: () => void | Promise<void>, pauseMs: number) {
    this.ended = this.run(work, pauseMs);
    this.ended.catch(() => undefined);
  }

  async stop(): Promise<void> {
    this.isStopping = true;
    await this.ended;
  }

  private async run(work: () => void | Promise<void>, pauseMs: number): Promise<void> {
    while (!this.isStopping) {
      await work();
      await wait(pauseMs);
    }
  }
}

/** Numbered lines into a file that is rotated by rename now and then. */
class Writer {
  written = 0;
  private readonly path: string;
  private rotations = 0;

  constructor(path: string) {
    this.path = path;
  }

  write(count: number): void {
    let text = '';
    for (let index = 0; index < count; index++) text += line(this.written++);
    appendFileSync(this.path, text);
    if (this.written % (count * 500) === 0) renameSync(this.path, `${this.path}.${++this.rotations}`);
  }
}

const line = (number: number) => `line ${String(number).padStart(8, '0')} ${'x'.repeat(number % 60)}\n`;

/** How often each number is in the published files of these folders. */
async function countLines(folders: readonly string[], total: number): Promise<{ lost: number; doubled: number }> {
  const seen = new Uint16Array(total);
  for (const folder of folders) {
    for (const name of readdirSync(folder)) {
      if (name.startsWith('.')) continue;
      for await (const text of createInterface({ input: createReadStream(join(folder, name)) })) {
        const number = Number(/^line (\d{8}) x*$/.exec(text)?.[1] ?? Number.NaN);
        if (!(number < total)) throw new Error(`not a line that was written: ${text.slice(0, 80)}`);
        seen[number]!++;
      }
    }
  }
  return {
    lost: seen.reduce((sum, count) => sum + (count === 0 ? 1 : 0), 0),
    doubled: seen.reduce((sum, count) => sum + (count > 1 ? 1 : 0), 0),
  };
}

/** A configuration; `pick(n)` is a number below n. The agent `app`, its pipeline `calm` and the broker are the same in each. */
function configuration(port: number, folder: string, pick: (below: number) => number, everything: boolean): string {
  const roll = `roll: { size: 1MB, age: ${200 + pick(3)}ms }`;
  const side = everything || pick(3) > 0;
  const pushed = everything || pick(3) > 0;
  return `
broker: { listen: "127.0.0.1:${port}" }
topics: { app: { retain: ${1 + pick(3)}d }, push: {}, ballast: {} }
agents:
  app: "tail://${folder}/app.log*"
${side ? `  side: { type: tail, paths: [ "${folder}/side.log*" ], max_line: ${1 + pick(2)}MiB }` : ''}
pipelines:
  calm: { from: app, to: calm }
  keep: { from: app, to: keep${pick(2) === 0 ? '' : `, steps: [ { drop: 'message == "${pick(5)}"' } ]`} }
${side ? '  side: { from: side, to: side }' : ''}
${pushed ? '  push: { from: push, to: [ push, "topic:copy" ] }' : ''}
sinks:
  calm: { type: file, path: "${folder}/calm/{partition}-{offset}.log", roll: { size: 10GB, age: 10h, idle: 10h } }
  keep: { type: file, path: "${folder}/keep${pick(3)}/{partition}-{offset}.log", ${roll} }
${side ? `  side: { type: file, path: "${folder}/side/{partition}-{offset}.log", ${roll} }` : ''}
${pushed ? `  push: { type: file, path: "${folder}/push/{partition}-{offset}.log", ${roll} }` : ''}
`;
}

interface Memory {
  /** What is reachable; residentBytes also counts what is not collected yet, and says little. */
  objectBytes: number;
  bufferBytes: number;
  residentBytes: number;
  /** Living objects of the classes that agents and edges are made of. */
  parts: Record<string, number>;
}

const partNames = ['Edge', 'EdgeSession', 'KafkaConsumer', 'KafkaProducer', 'TailAgent', 'Roster'];

interface HeapSnapshot {
  snapshot: { meta: { node_fields: string[]; node_types: [string[]] } };
  nodes: number[];
  strings: string[];
}

/** Has the process collect garbage and write down its heap, and counts that. */
async function memoryOf(command: RunningCommand, folder: string): Promise<Memory> {
  const status = readFileSync(`/proc/${command.process.pid!}/status`, 'utf8');
  command.signal('SIGUSR2');
  const { snapshot, nodes, strings } = await until('the heap snapshot', () => {
    const name = readdirSync(folder).find((each) => each.endsWith('.heapsnapshot'));
    const text = name === undefined ? '' : readFileSync(join(folder, name), 'utf8');
    if (!text.trimEnd().endsWith('}')) return undefined;
    rmSync(join(folder, name!));
    return JSON.parse(text) as HeapSnapshot;
  });
  const { node_fields: fields, node_types: types } = snapshot.meta;
  const [type, name, size] = ['type', 'name', 'self_size'].map((field) => fields.indexOf(field)) as [
    number,
    number,
    number,
  ];
  const parts = Object.fromEntries(partNames.map((part) => [part, 0]));
  let objectBytes = 0;
  let bufferBytes = 0;
  for (let node = 0; node < nodes.length; node += fields.length) {
    const text = strings[nodes[node + name]!]!;
    if (text.includes('JSArrayBufferData')) bufferBytes += nodes[node + size]!;
    else objectBytes += nodes[node + size]!;
    if (text in parts && types[0][nodes[node + type]!] === 'object') parts[text]!++;
  }
  return { objectBytes, bufferBytes, residentBytes: Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)![1]) * 1024, parts };
}

async function connectProducer(port: number): Promise<Producer> {
  const kafka = new Kafka({ brokers: [`127.0.0.1:${port}`], logLevel: logLevel.NOTHING, retry: { retries: 1 } });
  const producer = kafka.producer({ allowAutoTopicCreation: false, idempotent: true, maxInFlightRequests: 1 });
  await producer.connect();
  return producer;
}

/** The broker keeps the last records in memory, 32 MiB of them: so that it has them from the beginning, and growth means something. */
async function fillCache(producer: Producer): Promise<void> {
  const value = Buffer.alloc(900_000, 'ballast ');
  for (let sent = 0; sent < 64; sent++) await producer.send({ topic: 'ballast', messages: [{ value }] });
}

/** A new connection, as each run of a tool makes one. */
function knock(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve();
    });
    socket.once('error', reject);
  });
}

it(`loses, doubles and refuses nothing through ${reloads} reloads under load (seed ${seed})`, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tailrace-reloads-'));
  const port = await freePort();
  let state = seed;
  const pick = (below: number) => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((state / 2_147_483_648) * below);
  };
  const configure = (everything = false) => {
    const text = configuration(port, folder, pick, everything);
    writeFileSync(join(folder, 'tailrace.yaml'), text);
    return text;
  };
  configure(true);
  const options = `--heapsnapshot-signal=SIGUSR2 --diagnostic-dir=${folder}`;
  const command = start(['up', '--data', 'data'], { cwd: folder, env: { NODE_OPTIONS: options } });
  await until('the overview', () => command.stdout.includes('Ctrl-C'));

  const app = new Writer(join(folder, 'app.log'));
  const side = new Writer(join(folder, 'side.log'));
  const producer = await connectProducer(port);
  let pushed = 0;
  const push = async () => {
    const messages = Array.from({ length: 20 }, (_, index) => ({ value: line(pushed + index).slice(0, -1) }));
    await producer.send({ topic: 'push', messages });
    pushed += messages.length;
  };
  await fillCache(producer);
  const loops = [
    new Loop(() => app.write(100), 5),
    new Loop(() => side.write(20), 10),
    new Loop(push, 5),
    new Loop(() => knock(port), 10),
  ];

  const everything = async () => {
    configure(true);
    expect((await askForReload(join(folder, 'data'), 60_000)).outcome).toBe('applied');
  };
  let early: Memory | undefined;
  for (let reload = 1; reload <= reloads; reload++) {
    const text = configure();
    const expected = reload % 10 === 0 ? 'TLR_CONFIG' : reload % 10 === 5 ? 'TLR_SINK' : undefined;
    const broken = expected === 'TLR_CONFIG' ? text.replace('to: calm', 'to: nowhere') : text;
    const unreachable = broken
      .replace('sinks:', 'sinks:\n  es: "elasticsearch://127.0.0.1:1/x"')
      .replace('pipelines:', 'pipelines:\n  es: { from: app, to: es }');
    writeFileSync(join(folder, 'tailrace.yaml'), expected === 'TLR_SINK' ? unreachable : broken);
    const answer = await askForReload(join(folder, 'data'), 60_000);
    expect(answer.code, `${answer.problem}\n${command.stderr}`).toBe(expected);
    await wait(50);
    if (reload === warmUp) {
      await everything();
      early = await memoryOf(command, folder);
    }
  }
  await everything();
  const late = await memoryOf(command, folder);
  for (const loop of loops) await loop.stop();
  await producer.disconnect();
  expect(readdirSync(join(folder, 'calm')).filter((name) => !name.startsWith('.'))).toEqual([]);
  command.signal('SIGTERM');
  expect((await command.end()).code, command.stderr).toBe(0);
  const last = await run(['up', '--once', '--json', '--data', 'data'], { cwd: folder });
  expect(last.code, last.stderr).toBe(0);

  const keep = readdirSync(folder).filter((name) => /^keep\d$/.test(name));
  const counts = {
    calm: await countLines([join(folder, 'calm')], app.written),
    keep: await countLines(
      keep.map((name) => join(folder, name)),
      app.written,
    ),
    side: await countLines([join(folder, 'side')], side.written),
    push: await countLines([join(folder, 'push')], pushed),
  };
  const mebibytes = (bytes: number) => `${Math.round(bytes / 1048576)} MiB`;
  const describe = ({ objectBytes, bufferBytes, residentBytes }: Memory) =>
    `${mebibytes(objectBytes)} of objects, ${mebibytes(bufferBytes)} of buffers (${mebibytes(residentBytes)} resident)`;
  console.log(
    `${reloads} reloads, ${app.written + side.written} lines tailed, ${pushed} pushed; memory ${describe(early!)}, then ${describe(late)}`,
  );
  const none = { lost: 0, doubled: 0 };
  expect(counts).toEqual({ calm: none, keep: none, side: none, push: none });
  for (const part of partNames) {
    expect(early!.parts[part], part).toBeGreaterThan(0);
    // Some may be on their way out.
    expect(late.parts[part]! - early!.parts[part]!, part).toBeLessThanOrEqual(growthLimits.parts);
  }
  expect(late.objectBytes - early!.objectBytes).toBeLessThan(growthLimits.objectBytes);
  expect(late.bufferBytes - early!.bufferBytes).toBeLessThan(growthLimits.bufferBytes);
  expect(command.stderr).not.toMatch(/pauses|undecided|cleanly/);
  rmSync(folder, { recursive: true });
});
