// The main job against the machine's own limit: tail → topic and tail → topic → file beside `cp` plus fsync of the same file; start to ready;
// idle memory. Start-up is taken off the first two: it is measured with an empty file.
import { execFileSync } from 'node:child_process';
import { closeSync, fsyncSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { freePort, run, start, until } from '../test/support/command.ts';
import { formatBytes, formatCount } from '../base/units.ts';
import { accessLine, writeLines } from './lines.ts';

const lines = Number(process.env['BENCH_LINES'] ?? 1_000_000);
const rounds = Number(process.env['BENCH_ROUNDS'] ?? 3);

const seconds = (startedMs: number) => (performance.now() - startedMs) / 1000;
const median = (values: number[]) => values.toSorted((left, right) => left - right)[Math.floor(values.length / 2)]!;

function copy(folder: string): number {
  const target = join(folder, 'copy');
  const startedMs = performance.now();
  execFileSync('cp', [join(folder, 'big.log'), target]);
  const file = openSync(target, 'r+');
  fsyncSync(file);
  closeSync(file);
  const took = seconds(startedMs);
  rmSync(target);
  return took;
}

interface Variant {
  log: 'big.log' | 'empty.log';
  /** With a pipeline into the file sink, or into the topic alone. */
  toFile: boolean;
  /** One transaction for everything, instead of one every 8 MB. */
  oneTransaction?: boolean;
}

function config(folder: string, port: number, { log, toFile, oneTransaction }: Variant): string {
  const flush = oneTransaction === true ? ', flush: { size: 1GB, wait: 1h }' : '';
  const agent = `agents: { lines: { type: tail, paths: [ "${join(folder, log)}" ]${flush} } }\n`;
  const rest = toFile
    ? `pipelines: { out: { from: lines, to: files } }\nsinks: { files: { type: file, path: "${folder}/out/{partition}-{offset}.log" } }\n`
    : '';
  const path = join(folder, 'bench.yaml');
  writeFileSync(path, `broker: { listen: "127.0.0.1:${port}" }\n` + agent + rest);
  return path;
}

/** Seconds of one run from an empty data directory, process start and end included. */
async function once(folder: string, port: number, variant: Variant, env: Record<string, string> = {}): Promise<number> {
  const path = config(folder, port, variant);
  const startedMs = performance.now();
  const result = await run(['up', path, '--data', 'data', '--once', '--json', '--log-level', 'warn'], {
    cwd: folder,
    env,
    timeoutMs: 300_000,
  });
  const took = seconds(startedMs);
  if (result.code !== 0) throw new Error(`tailrace ended with ${result.code}: ${result.stderr}`);
  rmSync(join(folder, 'data'), { recursive: true });
  rmSync(join(folder, 'out'), { recursive: true, force: true });
  return took;
}

async function startToReady(
  folder: string,
  path: string,
  port: number,
): Promise<{ readyMs: number; idleBytes: number }> {
  const startedMs = performance.now();
  const command = start(['up', path, '--data', 'data', '--log-level', 'warn'], { cwd: folder });
  await until('ready', () => command.stdout.includes('look '), 20_000);
  const readyMs = performance.now() - startedMs;
  if (!command.stdout.includes(String(port))) throw new Error('the overview does not name the port');
  await wait(5000);
  const status = readFileSync(`/proc/${command.process.pid}/status`, 'utf8');
  command.signal('SIGTERM');
  await command.end();
  rmSync(join(folder, 'data'), { recursive: true });
  return { readyMs, idleBytes: Number(/VmRSS:\s+(\d+)/.exec(status)![1]) * 1024 };
}

export async function mainJob(folder: string): Promise<void> {
  const port = await freePort();
  writeLines(join(folder, 'big.log'), lines, accessLine);
  writeFileSync(join(folder, 'empty.log'), '');
  const size = statSync(join(folder, 'big.log')).size;
  console.log(`${formatCount(lines)} lines, ${formatBytes(size)}, ${rounds} rounds, medians; start-up is taken off`);
  const noSync = { NODE_OPTIONS: `--import ${join(import.meta.dirname, 'no-sync.mjs')}` };
  const measure: Record<string, () => number | Promise<number>> = {
    cp: () => copy(folder),
    empty: () => once(folder, port, { log: 'empty.log', toFile: false }),
    topic: () => once(folder, port, { log: 'big.log', toFile: false }),
    noSync: () => once(folder, port, { log: 'big.log', toFile: false }, noSync),
    neither: () => once(folder, port, { log: 'big.log', toFile: false, oneTransaction: true }, noSync),
    emptyFile: () => once(folder, port, { log: 'empty.log', toFile: true }),
    file: () => once(folder, port, { log: 'big.log', toFile: true }),
  };
  const times: Record<string, number[]> = {};
  for (let round = 0; round < rounds; round++) {
    for (const [name, work] of Object.entries(measure)) (times[name] ??= []).push(await work());
  }
  const of = (name: string) => median(times[name]!);
  const cp = of('cp');
  const topic = of('topic') - of('empty');
  const report = (what: string, took: number, reach: string) =>
    console.log(
      `${what}: ${took.toFixed(2)} s, ${formatCount(Math.round(lines / took))} lines/s, ${(took / cp).toFixed(1)} × cp (reach: ${reach})`,
    );
  console.log(`cp + fsync: ${cp.toFixed(2)} s`);
  report('(a) tail → topic', topic, 'at most 4 ×');
  report('(b) tail → topic → file', of('file') - of('emptyFile'), 'at most 8 ×');
  const ratio = (name: string) => ((of(name) - of('empty')) / topic).toFixed(2);
  console.log(
    `    (a) without fsync takes ${ratio('noSync')} of its time, without fsync and in one transaction ${ratio('neither')}`,
  );
  const ready = [];
  for (let round = 0; round < rounds; round++) {
    ready.push(await startToReady(folder, config(folder, port, { log: 'empty.log', toFile: true }), port));
  }
  console.log(`(c) start to ready: ${Math.round(median(ready.map((one) => one.readyMs)))} ms (reach: under 400 ms)`);
  console.log(`(d) idle memory: ${formatBytes(median(ready.map((one) => one.idleBytes)))} (reach: under 100 MiB)`);
}
