// `tailrace replay TOPIC --to SINK`: a bounded job in the calling process. Stopped, even with -9, and started again it goes on where it was.
import type { Command } from 'commander';
import { systemClock } from '../../base/clock.ts';
import { TailraceError } from '../../base/errors.ts';
import { nodeFiles } from '../../base/node-files.ts';
import { systemRandom } from '../../base/random.ts';
import { formatCount, parseSizeBytes } from '../../base/units.ts';
import { buildLedger, type Ledger } from '../../pipelines/ledger.ts';
import type { PipelinePlan, SinkPlan } from '../../pipelines/plan.ts';
import { replay, type ReplayRequest, type ReplayResult } from '../../pipelines/replay.ts';
import { withClient } from '../connection.ts';
import { type Loaded, loadOrReport, planOrReport } from '../load.ts';
import { createLogger } from '../logger.ts';
import { ExitCode, note, print, printJson } from '../output.ts';
import { parseStart } from '../positions.ts';
import { ProgressDisplay } from '../progress.ts';

interface Options {
  broker: string;
  to: string;
  from: string;
  until: string;
  partition?: string;
  steps?: string;
  rate?: string;
  config?: string;
  dryRun?: boolean;
  again?: boolean;
  json?: boolean;
}

const replayInstance = 'replay';

/** `--to` is a URL, or the name of a sink in the file of `-c`. */
function sinkOf(options: Options, file: Loaded | undefined): SinkPlan | undefined {
  const named = file?.plan.sinks.find((sink) => sink.name === options.to);
  if (named !== undefined) return named;
  if (!/^[a-z][a-z0-9+.-]*:/i.test(options.to)) {
    const names = file?.plan.sinks.map((sink) => sink.name).join(', ') ?? 'give the file that names it with -c FILE';
    throw new TailraceError(
      'TLR_NOT_FOUND',
      `there is no sink ${options.to}; ${file === undefined ? '' : 'there are: '}${names}`,
    );
  }
  const adHoc = {
    topics: { replay: {} },
    sinks: { to: options.to },
    pipelines: { replay: { from: 'replay', to: 'to' } },
  };
  return planOrReport(adHoc, options.json === true)?.plan.sinks[0];
}

function pipelineOf(options: Options, file: Loaded | undefined): PipelinePlan | undefined {
  if (options.steps === undefined) return undefined;
  const found = file?.plan.pipelines.find((pipeline) => pipeline.name === options.steps);
  if (found !== undefined) return found;
  const names = file?.plan.pipelines.map((pipeline) => pipeline.name).join(', ') ?? '';
  throw new TailraceError(
    'TLR_NOT_FOUND',
    file === undefined
      ? `--steps ${options.steps}: give the file with -c FILE`
      : `there is no pipeline ${options.steps}; there are: ${names}`,
  );
}

function requestOf(topic: string, sink: SinkPlan, pipeline: PipelinePlan | undefined, options: Options): ReplayRequest {
  const from = parseStart(options.from);
  const until = options.until === 'now' ? 'now' : parseStart(options.until);
  if (until === 'earliest' || until === 'latest') {
    throw new TailraceError('TLR_USAGE', `--until ${options.until}: expected now, an offset or a time`);
  }
  const partition = options.partition === undefined ? undefined : Number(options.partition);
  if (partition !== undefined && !(Number.isSafeInteger(partition) && partition >= 0)) {
    throw new TailraceError('TLR_USAGE', `--partition ${options.partition ?? ''}: expected a number`);
  }
  const bytesPerSecond = options.rate === undefined ? undefined : parseSizeBytes(options.rate.replace(/\/s$/, ''));
  if (options.rate !== undefined && bytesPerSecond === undefined) {
    throw new TailraceError('TLR_USAGE', `--rate ${options.rate}: expected a size a second, for example 20MB/s`);
  }
  return {
    topic,
    sink,
    pipeline,
    from,
    until,
    partition,
    bytesPerSecond,
    again: options.again === true,
    dryRun: options.dryRun === true,
  };
}

/** Says how it ended; the exit code. */
function report(result: ReplayResult, ledger: Ledger, topic: string, options: Options): number {
  if (options.json) printJson({ outcome: result.outcome, group: result.group, attempt: result.attempt, ...ledger });
  const { account } = result;
  switch (result.outcome) {
    case 'dry-run':
      if (!options.json)
        print(
          `dry run: up to ${formatCount(result.totalRecords)} records of ${topic} would be replayed; nothing was written`,
        );
      return ExitCode.done;
    case 'already-done':
      note(`this replay of ${topic} is done already (group ${result.group}); --again does it once more`);
      return ExitCode.done;
    case 'done':
      if (!options.json) {
        const { out, alreadyThere, dropped, dead } = account.account;
        print(
          `done: ${formatCount(account.account.in)} read = ${formatCount(out)} delivered + ${formatCount(alreadyThere)} already there + ` +
            `${formatCount(dropped)} dropped by rule + ${formatCount(dead)} dead letters`,
        );
      }
      return ledger.balanced ? ExitCode.done : ExitCode.refused;
    case 'interrupted':
      note('stopped; the same command goes on where it was');
      return ExitCode.refused;
    case 'incomplete':
      note(`not complete: ${account.problem ?? 'see above'}; the same command goes on where it was`);
      return ExitCode.refused;
  }
}

async function run(topic: string, options: Options): Promise<void> {
  const file = options.config === undefined ? undefined : await loadOrReport([options.config], options.json === true);
  const sink = options.config !== undefined && file === undefined ? undefined : sinkOf(options, file);
  if (sink === undefined) {
    process.exitCode = ExitCode.usage;
    return;
  }
  const request = requestOf(topic, sink, pipelineOf(options, file), options);
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
  const display = new ProgressDisplay(`replay ${topic}`, systemClock);
  const logger = await createLogger('warn', 'text');
  const result = await withClient(options.broker, (client) =>
    replay(request, {
      client,
      instance: replayInstance,
      files: nodeFiles,
      clock: systemClock,
      random: systemRandom,
      logger,
      onProgress: (progress) => display.update(progress),
      signal: stop.signal,
    }),
  );
  display.finish();
  process.exitCode = report(result, buildLedger([], [result.account]), topic, options);
}

export function addReplay(program: Command, defaultBroker: string): void {
  program
    .command('replay <topic>')
    .description('take a topic from its beginning into a sink; resumes when it was stopped')
    .requiredOption('--to <sink>', 'a sink URL, or the name of a sink in the file of -c')
    .option('--from <position>', 'earliest | OFFSET | TIME | -2h', 'earliest')
    .option('--until <end>', 'now | OFFSET (not replayed itself) | TIME', 'now')
    .option('--partition <number>', 'this partition alone')
    .option('--steps <pipeline>', 'run the steps of this pipeline of the file of -c')
    .option('--rate <size>', 'at most so much a second, e.g. 20MB/s')
    .option('-c, --config <file>', 'configuration file')
    .option(
      '--broker <addresses>',
      'HOST:PORT[,HOST:PORT…] of any Kafka broker, or @FILE with the properties of a Kafka client',
      defaultBroker,
    )
    .option('--dry-run', 'count only')
    .option('--again', 'once more, although it is done')
    .option('--json', 'the ledger as one JSON object on the last line')
    .addHelpText(
      'after',
      `
Examples:
  tailrace replay app --to 'file:again/{partition}-{offset}.ndjson'
  tailrace replay app --to search-v2 --steps services -c tailrace.yaml --from -7d
  tailrace replay app --to search --steps services -c tailrace.yaml --partition 0 --from 1200 --until 1300 --again

A replay is known by topic, sink and steps: an unfinished one goes on where it was, a finished one says so.`,
    )
    .action(run);
}
