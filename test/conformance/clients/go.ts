// Clients in Go: a program for each in the folder go. Only with CONFORMANCE=all, and where Go and the modules of go.mod can be had: building them takes a while.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isLong } from './brokers.ts';
import type { Driver } from './features.ts';
import { openProgram } from './scenario-program.ts';

/** By their names in the table: the folders of their programs. */
const programs = { Sarama: 'sarama', 'franz-go': 'franz', 'kafka-go': 'kafkago' };

/** Those that are wanted, built; undefined in the place of each when they cannot be had. `close` removes the programs. */
export async function openGoClients() {
  const clients: Record<string, Driver | undefined> = {};
  if (!isLong) return { clients, close: () => undefined };
  const folder = mkdtempSync(join(tmpdir(), 'tailrace-go-clients-'));
  const close = () => rmSync(folder, { recursive: true, force: true });
  const isBuilt = build(folder);
  for (const [name, program] of Object.entries(programs))
    clients[name] = isBuilt ? await openProgram(program, join(folder, program)) : undefined;
  // Its writer knows no transactions.
  delete clients['kafka-go']?.transactions;
  return { clients, close };
}

function build(folder: string): boolean {
  const packages = Object.values(programs).map((program) => `./${program}`);
  const cwd = join(import.meta.dirname, 'go');
  try {
    execFileSync('go', ['build', '-o', `${folder}/`, ...packages], { cwd, stdio: ['ignore', 'ignore', 'inherit'] });
    return true;
  } catch {
    return false;
  }
}
