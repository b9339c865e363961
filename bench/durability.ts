// What durability costs in the hot path: tail → topic as it is, beside the same run whose syncs do nothing (no-sync.mjs), whose producer has no transactions
// (bench/no-transaction.ts, in a bundle of its own), and without either. And what the ledger costs: tail → topic → files of a megabyte, beside the same
// without (no-ledger.ts). A disk that is shared has good minutes and bad ones: what is kept is told by the median of the rounds' own ratios, each round begins
// with another variant, and beside them stands what the disk alone takes for as many bytes.
import { execFileSync } from 'node:child_process';
import { closeSync, fdatasyncSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { formatCount } from '../base/units.ts';
import { freePort, root } from '../test/support/command.ts';
import { accessLine, writeLines } from './lines.ts';
import { MeasuredCommand } from './measured.ts';

const lines = Number(process.env['BENCH_LINES'] ?? 1_000_000);
const rounds = Number(process.env['BENCH_ROUNDS'] ?? 5);
/** Of the topic. */
const compression = process.env['BENCH_COMPRESSION'] ?? 'none';
/** What is to be kept of the speed without them. */
const goal = 0.7;

const median = (values: number[]) => values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)]!;

/** Builds the command with one module exchanged; returns its entry. */
function buildWith(exchange: 'no-transaction' | 'no-ledger'): string {
  const env = { ...process.env, BENCH_EXCHANGE: exchange };
  execFileSync('npx', ['rolldown', '-c', 'bench/exchanged.config.js', '--logLevel', 'warn'], { cwd: root, env });
  return join(root, 'out', exchange, 'cli', 'entry.js');
}

interface Variant {
  noSync?: boolean;
  entry?: string;
  /** Into files too, of a megabyte each. */
  toFiles?: boolean;
}

interface Taken {
  seconds: number;
  mainSeconds: number;
}

/** Seconds for as many bytes, written and synced in pieces as large as an agent's flushes: what nobody who syncs can do without. */
function diskAlone(folder: string, bytes: number): number {
  const piece = Buffer.alloc(8 << 20, 'x');
  const path = join(folder, 'disk');
  const file = openSync(path, 'w');
  const startedMs = performance.now();
  for (let written = 0; written < bytes; written += piece.length) {
    writeSync(file, piece, 0, Math.min(piece.length, bytes - written));
    fdatasyncSync(file);
  }
  const seconds = (performance.now() - startedMs) / 1000;
  closeSync(file);
  rmSync(path);
  return seconds;
}

class DurabilityBench {
  private readonly folder: string;
  private readonly port: number;

  constructor(folder: string, port: number) {
    this.folder = folder;
    this.port = port;
  }

  /** All rounds by variant, start-up taken off. The disk has nothing left to write for others when one begins. */
  async measure(variants: Readonly<Record<string, Variant>>): Promise<Record<string, Taken[]>> {
    const names = Object.keys(variants);
    const taken: Record<string, Taken[]> = Object.fromEntries(names.map((name) => [name, []]));
    for (let round = 0; round < rounds; round++) {
      for (let turn = 0; turn < names.length; turn++) {
        const name = names[(round + turn) % names.length]!;
        const idle = await this.run('empty.log', variants[name]!);
        execFileSync('sync');
        const { seconds, mainSeconds } = await this.run('big.log', variants[name]!);
        taken[name]!.push({ seconds: seconds - idle.seconds, mainSeconds: mainSeconds - idle.mainSeconds });
      }
    }
    return taken;
  }

  private async run(log: string, { noSync, entry, toFiles }: Variant): Promise<Taken> {
    const { folder, port } = this;
    const path = join(folder, 'durability.yaml');
    const data = join(folder, 'data');
    const agent = `agents: { lines: { type: tail, paths: [ "${join(folder, log)}" ] } }\n`;
    const files = `pipelines: { out: { from: lines, to: files } }\nsinks: { files: { type: file, path: "${folder}/out/{partition}-{offset}.log", roll: { size: 1MB } } }\n`;
    const topic = `topics: { lines: { compression: ${compression} } }\n`;
    writeFileSync(path, `broker: { listen: "127.0.0.1:${port}" }\n${topic}${agent}${toFiles === true ? files : ''}`);
    const startedMs = performance.now();
    const imports = noSync === true ? [join(import.meta.dirname, 'no-sync.mjs')] : [];
    const args = ['up', path, '--data', data, '--once', '--json', '--log-level', 'warn'];
    const command = new MeasuredCommand(args, { imports, ...(entry === undefined ? {} : { entry }) });
    const { mainSeconds } = await command.end();
    const seconds = (performance.now() - startedMs) / 1000;
    rmSync(data, { recursive: true });
    rmSync(join(folder, 'out'), { recursive: true, force: true });
    return { seconds, mainSeconds };
  }
}

const shown = (rounds: readonly Taken[]) => {
  const [seconds, mainSeconds] = [
    median(rounds.map((each) => each.seconds)),
    median(rounds.map((each) => each.mainSeconds)),
  ];
  return `${seconds.toFixed(2)} s, ${mainSeconds.toFixed(2)} s of them its main thread's own`;
};

/** Of the speed of `other`: the median of the rounds' ratios. */
const keptBy = (asIs: readonly Taken[], other: readonly Taken[]) =>
  median(other.map(({ seconds }, round) => seconds / asIs[round]!.seconds));

/** `npm run bench durability`. */
export async function durability(folder: string): Promise<void> {
  const bench = new DurabilityBench(folder, await freePort());
  const bytes = writeLines(join(folder, 'big.log'), lines, accessLine);
  writeFileSync(join(folder, 'empty.log'), '');
  const disk = median(Array.from({ length: rounds }, () => diskAlone(folder, bytes)));
  console.log(
    `${formatCount(lines)} lines, ${(bytes / 1e6).toFixed(0)} MB; medians of ${rounds} rounds, start-up taken off; the disk alone takes ${disk.toFixed(2)} s`,
  );
  const entry = buildWith('no-transaction');
  const { 'as it is': asIs, ...others } = await bench.measure({
    'as it is': {},
    'without fsync': { noSync: true },
    'without transactions': { entry },
    'without either': { noSync: true, entry },
  });
  console.log(`tail → topic\n  ${'as it is'.padEnd(21)} ${shown(asIs!)}`);
  for (const [name, taken] of Object.entries(others)) {
    const kept = keptBy(asIs!, taken);
    const verdict = name === 'without either' ? `; goal ${goal}: ${kept >= goal ? 'reached' : 'MISSED'}` : '';
    console.log(`  ${name.padEnd(21)} ${shown(taken)}; of its speed ${kept.toFixed(2)} is kept${verdict}`);
  }
  const { with: withIt, without } = await bench.measure({
    with: { toFiles: true },
    without: { toFiles: true, entry: buildWith('no-ledger') },
  });
  console.log(`tail → topic → files of 1 MB\n  ${'with the ledger'.padEnd(21)} ${shown(withIt!)}`);
  console.log(
    `  ${'without'.padEnd(21)} ${shown(without!)}; of its speed ${keptBy(withIt!, without!).toFixed(2)} is kept`,
  );
}
