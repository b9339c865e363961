// Clients in Python: a script for each, beside this file, that does what features.ts says and prints what it saw as JSON.
import { join } from 'node:path';
import { run } from '../../support/programs.ts';
import { pythonWith } from '../../support/python-venv.ts';
import type { Driver, Place } from './features.ts';

async function openScript(module: string, packages: readonly string[], file: string): Promise<Driver | undefined> {
  const python = pythonWith(module, packages);
  if (python === undefined) return undefined;
  const script = join(import.meta.dirname, file);
  async function scenario<T>(name: string, place: Place, given: unknown): Promise<T> {
    const args = ['-B', script, place.bootstrap, name, place.name, JSON.stringify(given)];
    const { code, stdout, stderr } = await run(python!, args, '', 110_000);
    if (code !== 0) throw new Error(`${file} ${name} ended with ${code ?? 'a signal'}: ${stderr}`);
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

export const openConfluent = () => openScript('confluent_kafka', ['confluent-kafka'], 'confluent_client.py');

/** With the packages that its compressions come from. */
export const openKafkaPython = () =>
  openScript('kafka', ['kafka-python', 'lz4', 'zstandard', 'python-snappy', 'crc32c'], 'kafka_python_client.py');
