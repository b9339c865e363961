// What durability costs in the hot path: tail → topic as it is, beside the same run whose syncs do nothing (no-sync.mjs), whose producer has no transactions
// (bench/no-transaction.ts, in a bundle of its own), and without either. And what the ledger costs: tail → topic → files of a megabyte, beside the same
// without (no-ledger.ts).
import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
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

class DurabilityBench {
  private readonly folder: string;
  private readonly port: number;

  constructor(folder: string, port: number) {
    this.folder = folder;
    this.port = port;
  }

  /** Medians of all rounds by variant, start-up taken off. */
  async measure(variants: Readonly<Record<string, Variant>>): Promise<Record<string, Taken>> {
    const times: Record<string, Taken[]> = {};
    for (let round = 0; round < rounds; round++) {
      for (const [name, variant] of Object.entries(variants)) {
        const idle = await this.run('empty.log', variant);
        const { seconds, mainSeconds } = await this.run('big.log', variant);
        const taken = { seconds: seconds - idle.seconds, mainSeconds: mainSeconds - idle.mainSeconds };
        (times[name] ??= []).push(taken);
      }
    }
    const medians = Object.entries(times).map(([name, each]): [string, Taken] => [
      name,
      { seconds: median(each.map(({ seconds }) => seconds)), mainSeconds: median(each.map((one) => one.mainSeconds)) },
    ]);
    return Object.fromEntries(medians);
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

const shown = ({ seconds, mainSeconds }: Taken) =>
  `${seconds.toFixed(2)} s, ${mainSeconds.toFixed(2)} s of them its main thread's own`;

/** `npm run bench durability`. */
export async function durability(folder: string): Promise<void> {
  const bench = new DurabilityBench(folder, await freePort());
  const bytes = writeLines(join(folder, 'big.log'), lines, accessLine);
  writeFileSync(join(folder, 'empty.log'), '');
  console.log(
    `${formatCount(lines)} lines, ${(bytes / 1e6).toFixed(0)} MB; medians of ${rounds} rounds, start-up taken off`,
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
    const kept = taken.seconds / asIs!.seconds;
    const verdict = name === 'without either' ? `; goal ${goal}: ${kept >= goal ? 'reached' : 'MISSED'}` : '';
    console.log(`  ${name.padEnd(21)} ${shown(taken)}; of its speed ${kept.toFixed(2)} is kept${verdict}`);
  }
  const { with: withIt, without } = await bench.measure({
    with: { toFiles: true },
    without: { toFiles: true, entry: buildWith('no-ledger') },
  });
  console.log(`tail → topic → files of 1 MB\n  ${'with the ledger'.padEnd(21)} ${shown(withIt!)}`);
  const kept = without!.seconds / withIt!.seconds;
  console.log(`  ${'without'.padEnd(21)} ${shown(without!)}; of its speed ${kept.toFixed(2)} is kept`);
}
