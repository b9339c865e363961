// What a program that writes to or reads from Kafka is given and is to do (programs.ts).
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { KafkaClient } from '../../../broker/client/contract.ts';

export const lineCount = 100_000;
export const support = join(import.meta.dirname, '..', '..', 'support', 'kafka');
export const longMs = 180_000;

export interface Errand {
  bootstrap: string;
  topic: string;
  /** An empty folder. */
  folder: string;
  /** How many records, and marks of transactions, are in the topic now. */
  stored: () => Promise<number>;
  /** Our own client. */
  client: KafkaClient;
}

export interface Program {
  name: string;
  does: string;
  isThere: () => boolean;
  version: () => Promise<string>;
  /** Writes the lines "line 0" and so on to the topic, and, if it reads too, says what it read, else nothing. */
  run: (errand: Errand) => Promise<readonly string[] | undefined>;
}

export const numberedLines = () => Array.from({ length: lineCount }, (_none, index) => `line ${index}`);
export const textOf = (lines: readonly string[]) => lines.join('\n') + '\n';

/** Of a program and its Kafka client, by the names of the jars in a folder. */
export function versionIn(jars: string, artifact: string): string {
  const versionOf = (name: string) =>
    readdirSync(jars)
      .find((jar) => jar.startsWith(`${name}-`))!
      .slice(name.length + 1, -4);
  return `${versionOf(artifact)}, kafka-clients ${versionOf('kafka-clients')}`;
}
