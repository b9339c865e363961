// What durability costs in the hot path: tail → topic as it is, beside the same run whose syncs do nothing (no-sync.mjs), whose producer has no transactions
// (bench/no-transaction.ts, in a bundle of its own), and without either.
import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatCount } from '../base/units.ts';
import { freePort, root } from '../test/support/command.ts';
import { accessLine, writeLines } from './lines.ts';
import { MeasuredCommand } from './measured.ts';

const lines = Number(process.env['BENCH_LINES'] ?? 1_000_000);
const rounds = Number(process.env['BENCH_ROUNDS'] ?? 5);
/** What is to be kept of the speed without them. */
const goal = 0.7;

const median = (values: number[]) => values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)]!;

/** Builds the command with no-transaction.ts instead of what it stands for; returns its entry. */
function buildWithoutTransactions(): string {
  execFileSync('npx', ['rolldown', '-c', 'bench/no-transaction.config.js', '--logLevel', 'warn'], { cwd: root });
  return join(root, 'out', 'no-transaction', 'cli', 'entry.js');
}

/** `npm run bench durability`. */
export async function durability(folder: string): Promise<void> {
  const entry = buildWithoutTransactions();
  const port = await freePort();
  const bytes = writeLines(join(folder, 'big.log'), lines, accessLine);
  writeFileSync(join(folder, 'empty.log'), '');
  const data = join(folder, 'data');
  const run = async (log: string, options: { noSync?: boolean; entry?: string }) => {
    const path = join(folder, 'durability.yaml');
    const agent = `agents: { lines: { type: tail, paths: [ "${join(folder, log)}" ] } }\n`;
    writeFileSync(path, `broker: { listen: "127.0.0.1:${port}" }\n${agent}`);
    const startedMs = performance.now();
    const imports = options.noSync === true ? [join(import.meta.dirname, 'no-sync.mjs')] : [];
    const args = ['up', path, '--data', data, '--once', '--json', '--log-level', 'warn'];
    const command = new MeasuredCommand(args, {
      imports,
      ...(options.entry === undefined ? {} : { entry: options.entry }),
    });
    const { mainSeconds } = await command.end();
    const seconds = (performance.now() - startedMs) / 1000;
    rmSync(data, { recursive: true });
    return { seconds, mainSeconds };
  };
  const variants = {
    'as it is': {},
    'without fsync': { noSync: true },
    'without transactions': { entry },
    'without either': { noSync: true, entry },
  };
  const times: Record<string, { seconds: number; mainSeconds: number }[]> = {};
  for (let round = 0; round < rounds; round++) {
    for (const [name, options] of Object.entries(variants)) {
      const idle = await run('empty.log', options);
      const { seconds, mainSeconds } = await run('big.log', options);
      const taken = { seconds: seconds - idle.seconds, mainSeconds: mainSeconds - idle.mainSeconds };
      (times[name] ??= []).push(taken);
    }
  }
  const took = (name: string) => median(times[name]!.map(({ seconds }) => seconds));
  const base = took('as it is');
  console.log(
    `tail → topic, ${formatCount(lines)} lines, ${(bytes / 1e6).toFixed(0)} MB; medians of ${rounds} rounds, start-up taken off`,
  );
  for (const name of Object.keys(variants)) {
    const own = median(times[name]!.map(({ mainSeconds }) => mainSeconds));
    const kept = took(name) / base;
    const verdict = name === 'without either' ? `; goal ${goal}: ${kept >= goal ? 'reached' : 'MISSED'}` : '';
    const ratio = name === 'as it is' ? '' : `; of its speed ${kept.toFixed(2)} is kept${verdict}`;
    console.log(
      `  ${name.padEnd(21)} ${took(name).toFixed(2)} s, ${own.toFixed(2)} s of them its main thread's own${ratio}`,
    );
  }
}
