// Clients that are programs of another language: one does what features.ts says when it is asked for a scenario (BROKER SCENARIO NAME GIVEN, the last as
// JSON), and prints what it saw as JSON.
import { run } from '../../support/programs.ts';
import type { Driver, Place } from './features.ts';

/** `name` is for messages. Throws when the program cannot tell its version. */
export async function openProgram(name: string, command: string, args: readonly string[] = []): Promise<Driver> {
  async function scenario<T>(feature: string, place: Place, given: unknown): Promise<T> {
    const asked = [...args, place.bootstrap, feature, place.name, JSON.stringify(given)];
    const { code, stdout, stderr } = await run(command, asked, '', 110_000);
    if (code !== 0) throw new Error(`${name} ${feature} ended with ${code ?? 'a signal'}: ${stderr}`);
    return JSON.parse(stdout) as T;
  }
  return {
    version: await scenario<string>('version', { bootstrap: '', name: '' }, null),
    records: (place, records) => scenario('records', place, records),
    compression: (place, codec, values) => scenario('compression', place, { codec, values }),
    rebalance: (place, values) => scenario('rebalance', place, values),
    resume: (place, values) => scenario('resume', place, values),
    transactions: (place, outcomes) => scenario('transactions', place, outcomes),
    admin: (place) => scenario('admin', place, null),
    times: (place, timestamp) => scenario('times', place, timestamp),
  };
}
