// Clients in Go: a program for each in the folder go, that does what features.ts says and prints what it saw as JSON. Only with CONFORMANCE=all, and where
// Go and the modules of go.mod can be had: building them takes a while.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../../support/programs.ts';
import { isLong } from './brokers.ts';
import type { Driver, Place } from './features.ts';

const names = ['sarama', 'franz', 'kafkago'] as const;
type Name = (typeof names)[number];

/** The programs, built; `close` removes them. Undefined where they cannot be had, or are not wanted. */
export function buildGoClients() {
  if (!isLong) return undefined;
  const folder = mkdtempSync(join(tmpdir(), 'tailrace-go-clients-'));
  const close = () => rmSync(folder, { recursive: true, force: true });
  try {
    execFileSync('go', ['build', '-o', `${folder}/`, ...names.map((name) => `./${name}`)], {
      cwd: join(import.meta.dirname, 'go'),
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  } catch {
    close();
    return undefined;
  }
  return { open: (name: Name) => openProgram(join(folder, name)), close };
}

async function openProgram(program: string): Promise<Driver> {
  async function scenario<T>(name: string, place: Place, given: unknown): Promise<T> {
    const args = [place.bootstrap, name, place.name, JSON.stringify(given)];
    const { code, stdout, stderr } = await run(program, args, '', 110_000);
    if (code !== 0) throw new Error(`${name} ended with ${code ?? 'a signal'}: ${stderr}`);
    return JSON.parse(stdout) as T;
  }
  return {
    version: await scenario<string>('version', { bootstrap: '', name: '' }, null),
    records: (place, records) => scenario('records', place, records),
    compression: (place, codec, values) => scenario('compression', place, { codec, values }),
    rebalance: (place, values) => scenario('rebalance', place, values),
    resume: (place, values) => scenario('resume', place, values),
    ...(program.endsWith('kafkago')
      ? {}
      : { transactions: (place, outcomes) => scenario('transactions', place, outcomes) }),
    admin: (place) => scenario('admin', place, null),
    times: (place, timestamp) => scenario('times', place, timestamp),
  };
}
