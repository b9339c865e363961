// `tailrace why RECORD [FILE…]`: the whole path of one record, named by its offset or by a line of a file. Changes nothing.
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { systemClock } from '../../base/clock.ts';
import { TailraceError } from '../../base/errors.ts';
import { nodeFiles } from '../../base/node-files.ts';
import { systemRandom } from '../../base/random.ts';
import type { KafkaClient } from '../../broker/client/contract.ts';
import type { Plan } from '../../pipelines/plan.ts';
import { placeOfByte, type RecordPath, why, type WhyDependencies } from '../../pipelines/why/why.ts';
import type { Place } from '../../pipelines/why/record-look.ts';
import { withClient } from '../connection.ts';
import { loadOrReport } from '../load.ts';
import { createLogger } from '../logger.ts';
import { ExitCode, printJson } from '../output.ts';
import { withBrokerOf } from '../plan-broker.ts';
import { printPath } from '../why-report.ts';

interface Options {
  broker?: string;
  data?: string;
  json?: boolean;
}

type Subject = Place | { path: string; byte: number } | { path: string; line: number };

const defaultFile = 'tailrace.yaml';
const newline = 0x0a;
const chunkBytes = 1024 * 1024;

/** Throws TLR_USAGE with what is allowed. */
export function parseSubject(text: string): Subject {
  const [, topic, partition, offset] = /^([\w.-]+)\/(\d+)\/(\d+)$/.exec(text) ?? [];
  if (topic !== undefined) return { topic, partition: Number(partition), offset: Number(offset) };
  const [, path, mark, digits] = /^(.+)([@:])(\d+)$/su.exec(text) ?? [];
  const number = Number(digits);
  if (path !== undefined && mark === '@') return { path, byte: number };
  if (path !== undefined && number > 0) return { path, line: number };
  const message = `${text}: expected TOPIC/PARTITION/OFFSET, FILE:LINE or FILE@BYTE`;
  throw new TailraceError('TLR_USAGE', message);
}

/** The byte at which a line begins. Throws TLR_NOT_FOUND when the file is shorter, TLR_UNREADABLE. */
async function byteOfLine(path: string, line: number): Promise<number> {
  const file = await nodeFiles.open(path, 'read').catch((cause: unknown) => {
    throw new TailraceError('TLR_UNREADABLE', `${path} cannot be read; FILE@BYTE needs no look into it`, { cause });
  });
  try {
    const chunk = Buffer.alloc(chunkBytes);
    let left = line - 1;
    for (let at = 0; ;) {
      const bytes = await file.read(chunk, at);
      if (bytes === 0) throw new TailraceError('TLR_NOT_FOUND', `${path} has no line ${line}`);
      for (let index = -1; left > 0; left--) {
        index = chunk.subarray(0, bytes).indexOf(newline, index + 1);
        if (index < 0) break;
        if (left === 1) return at + index + 1;
      }
      if (left === 0) return at;
      at += bytes;
    }
  } finally {
    await file.close();
  }
}

async function placeOf(subject: Subject, dependencies: WhyDependencies): Promise<Place> {
  if ('topic' in subject) return subject;
  const path = resolve(subject.path);
  const byte = 'byte' in subject ? subject.byte : await byteOfLine(path, subject.line);
  const identity = (await nodeFiles.stat(path))?.identity;
  return placeOfByte({ path, identity, byte }, dependencies);
}

async function pathOf(subject: Subject, plan: Pick<Plan, 'pipelines'>, client: KafkaClient): Promise<RecordPath> {
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => stop.abort(new TailraceError('TLR_CLOSED', 'it was stopped')));
  const logger = await createLogger('warn', 'text');
  const common = { files: nodeFiles, clock: systemClock, random: systemRandom, logger, signal: stop.signal };
  const dependencies = { ...common, client };
  return why({ plan, place: await placeOf(subject, dependencies) }, dependencies);
}

/** Without a configuration the ledger alone tells what became of it. */
async function ask(subject: Subject, given: string[], options: Options): Promise<RecordPath | undefined> {
  const { broker } = options;
  const isBare = given.length === 0 && (await nodeFiles.stat(defaultFile)) === undefined;
  if (isBare && broker !== undefined) return withClient(broker, (client) => pathOf(subject, { pipelines: [] }, client));
  const loaded = await loadOrReport(given.length === 0 ? [defaultFile] : given, options.json === true);
  if (loaded === undefined) return undefined;
  return withBrokerOf(loaded.plan, options, (client) => pathOf(subject, loaded.plan, client));
}

/** Whether the record is where it should be, as far as it is known. */
function isWell({ state, edges, next }: RecordPath): boolean {
  return state === 'committed' && edges.every((edge) => edge.state !== 'missing') && next.every(isWell);
}

async function run(record: string, files: string[], options: Options): Promise<void> {
  const path = await ask(parseSubject(record), files, options);
  if (path === undefined) {
    process.exitCode = ExitCode.usage;
    return;
  }
  if (options.json === true) printJson(path);
  else printPath(path);
  if (!isWell(path)) process.exitCode = ExitCode.refused;
}

export function addWhy(program: Command): void {
  program
    .command('why')
    .argument('<record>', 'TOPIC/PARTITION/OFFSET, FILE:LINE or FILE@BYTE')
    .argument('[files...]', `configuration files (default: ${defaultFile})`)
    .description('one record’s whole path: its line in a file, its offset, and what became of it on each edge')
    .option('--data <directory>', 'data directory (default: the file’s, or ./tailrace-data)')
    .option('--broker <addresses>', 'HOST:PORT[,HOST:PORT…] of the running process or cluster, or @FILE')
    .option('--json', 'the path as one JSON object')
    .addHelpText(
      'after',
      `
Examples:
  tailrace why app/0/1234
  tailrace why /var/log/nginx/access.log:17 nginx.yaml

Runs the steps of the file over the record again, asks the ledger when it was delivered and in what, and looks whether it is there. Reads the dead letters, and
topics that pipelines write, from their beginnings. Exit code: 0 it is where it should be (or waits), 1 it is not there.`,
    )
    .action(run);
}
