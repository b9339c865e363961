// Clients in Python: a script for each, beside this file.
import { join } from 'node:path';
import { pythonWith } from '../../support/python-venv.ts';
import type { Driver } from './features.ts';
import { openProgram } from './scenario-program.ts';

async function openScript(module: string, packages: readonly string[], file: string): Promise<Driver | undefined> {
  const python = pythonWith(module, packages);
  return python === undefined ? undefined : openProgram(file, python, ['-B', join(import.meta.dirname, file)]);
}

export const openConfluent = () => openScript('confluent_kafka', ['confluent-kafka'], 'confluent_client.py');

/** With the packages that its compressions come from. */
export const openKafkaPython = () =>
  openScript('kafka', ['kafka-python', 'lz4', 'zstandard', 'python-snappy', 'crc32c'], 'kafka_python_client.py');
