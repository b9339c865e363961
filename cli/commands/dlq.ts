// `tailrace dlq list|show|retry|drop`: records that a step or sink refused for good. They are looked at by kind, tried again through the (mended)
// pipeline, or dropped; how that is exactly once is told in pipelines/dead-letters.ts.
import type { Command } from 'commander';
import { systemClock } from '../../base/clock.ts';
import { TailraceError } from '../../base/errors.ts';
import { nodeFiles } from '../../base/node-files.ts';
import { systemRandom } from '../../base/random.ts';
import { formatCount } from '../../base/units.ts';
import type { FoundLetter } from '../../pipelines/dead-letter.ts';
import {
  deadLetterTopicOf,
  forEachOpenLetter,
  letterGroup,
  type LetterGroup,
  listLetters,
  settleLetters,
  type SettleRequest,
  type SettleResult,
} from '../../pipelines/dead-letters.ts';
import type { EdgePlan, PipelinePlan } from '../../pipelines/plan.ts';
import { withClient } from '../connection.ts';
import { parseCount } from '../counts.ts';
import { type Loaded, loadOrReport, planOrReport } from '../load.ts';
import { createLogger } from '../logger.ts';
import { ExitCode, note, paint, print, printJson, renderTable } from '../output.ts';

interface Options {
  broker: string;
  json?: boolean;
}

interface ChoiceOptions extends Options {
  group?: string;
  reason?: string;
  sink?: string;
}

interface RetryOptions extends ChoiceOptions {
  config: string;
  to?: string;
}

interface DropOptions extends ChoiceOptions {
  all?: boolean;
  yes?: boolean;
}

const time = (ms: number) => new Date(ms).toISOString().slice(0, 19) + 'Z';
const oneLine = (text: string, characters: number) =>
  text.replace(/[\u0000-\u001f\u007f]+/g, ' ').slice(0, characters) + (text.length > characters ? '…' : '');

/** Whether a letter is meant by --group, --reason and --sink; all of them when none is given. */
function choiceOf({ group, reason, sink }: ChoiceOptions): (letter: FoundLetter) => boolean {
  return (letter) =>
    (group === undefined || letterGroup(letter) === group) &&
    (reason === undefined || letter.reason.includes(reason)) &&
    (sink === undefined || letter.edge?.slice(letter.edge.indexOf('.') + 1) === sink);
}

async function list(pipeline: string | undefined, options: Options): Promise<void> {
  const groups = await withClient(options.broker, (client) => listLetters(client, pipeline));
  if (options.json === true) groups.forEach((group) => printJson(group));
  else if (groups.length === 0) print('no dead letters');
  else printGroups(groups);
}

function printGroups(groups: readonly LetterGroup[]): void {
  const rows = groups.map(({ group, edge, topic, count, firstMs, lastMs, refusedBy, reason }) => [
    ...[group, edge ?? topic, count, time(firstMs), time(lastMs), refusedBy, oneLine(reason, 100)],
  ]);
  print(renderTable(['GROUP', 'EDGE', 'COUNT', 'FIRST', 'LAST', 'REFUSED BY', 'REASON'], rows));
  print();
  for (const { group, sample } of groups)
    print(`${paint('cyan', group)}  ${paint('dim', sample.origin)}  ${oneLine(sample.value, 160)}`);
}

async function show(pipeline: string, options: ChoiceOptions & { max: string }): Promise<void> {
  const max = parseCount('--max', options.max)!;
  const chooses = choiceOf(options);
  let shown = 0;
  await withClient(options.broker, (client) =>
    forEachOpenLetter(client, pipeline, (letter) => {
      if (!chooses(letter)) return true;
      const { group, edge, refusedBy, reason, origin, timestampMs, diedMs, topic, partition, offset } = letter;
      const value = letter.value.toString('utf8');
      if (options.json === true)
        printJson({
          ...{ group, edge, refusedBy, reason, origin, timestampMs, diedMs },
          ...{ letter: `${topic}/${partition}/${offset}`, value },
        });
      else {
        print(`${paint('cyan', group)}  ${edge ?? topic}  ${paint('dim', `${origin}  ${time(timestampMs)}`)}`);
        print(`  ${refusedBy}: ${oneLine(reason, 2000)}`);
        print(`  ${value}`);
      }
      return ++shown < max;
    }),
  );
  if (shown === 0 && options.json !== true) print('no dead letters of that kind');
}

function pipelineOf(name: string, file: Loaded): PipelinePlan {
  const found = file.plan.pipelines.find((pipeline) => pipeline.name === name);
  if (found !== undefined) return found;
  const names = file.plan.pipelines.map((pipeline) => pipeline.name).join(', ');
  throw new TailraceError('TLR_NOT_FOUND', `there is no pipeline ${name}; there are: ${names || 'none'}`);
}

/** Where the letters of an edge go: its own target, or what --to says (a sink of the file or a URL), which then has the edge's name for the step `route`. */
function targetOf(edge: EdgePlan, options: RetryOptions, file: Loaded): EdgePlan['target'] | undefined {
  if (options.to === undefined) return edge.target;
  const name = edge.target.kind === 'topic' ? `topic:${edge.target.topic}` : edge.target.sink.name;
  const named = file.plan.sinks.find((sink) => sink.name === options.to);
  if (named !== undefined) return { kind: 'sink', sink: { ...named, name } };
  if (!/^[a-z][a-z0-9+.-]*:/i.test(options.to)) {
    const names = file.plan.sinks.map((sink) => sink.name).join(', ');
    throw new TailraceError('TLR_NOT_FOUND', `there is no sink ${options.to}; there are: ${names || 'none'}`);
  }
  const adHoc = {
    topics: { letters: {} },
    sinks: { to: options.to },
    pipelines: { letters: { from: 'letters', to: 'to' } },
  };
  const sink = planOrReport(adHoc, options.json === true)?.plan.sinks[0];
  return sink === undefined ? undefined : { kind: 'sink', sink: { ...sink, name } };
}

async function retry(name: string, options: RetryOptions): Promise<void> {
  const file = await loadOrReport([options.config], options.json === true);
  if (file === undefined) {
    process.exitCode = ExitCode.usage;
    return;
  }
  const pipeline = pipelineOf(name, file);
  const sinkOf = ({ group }: EdgePlan) => group.slice(name.length + 1);
  const edges = pipeline.edges.filter((edge) => options.sink === undefined || sinkOf(edge) === options.sink);
  if (edges.length === 0) {
    const sinks = pipeline.edges.map(sinkOf).join(', ');
    throw new TailraceError('TLR_NOT_FOUND', `pipeline ${name} has no sink ${options.sink ?? ''}; it has: ${sinks}`);
  }
  const requests: SettleRequest[] = [];
  for (const edge of edges) {
    const target = targetOf(edge, options, file);
    if (target === undefined) {
      process.exitCode = ExitCode.usage;
      return;
    }
    const action = { kind: 'retry' as const, steps: pipeline.steps, target };
    requests.push({ edge: edge.group, pipeline: name, action, chooses: choiceOf(options) });
  }
  await settleAll(requests, options, reportRetry);
}

function reportRetry({ edge, account }: SettleResult): void {
  const { in: read, out, alreadyThere, dropped, dead } = account;
  print(
    `${edge}: ${formatCount(read)} tried again = ${formatCount(out)} delivered + ${formatCount(alreadyThere)} already there + ` +
      `${formatCount(dropped)} dropped by rule + ${formatCount(dead)} dead letters again`,
  );
}

async function drop(name: string, options: DropOptions): Promise<void> {
  if (options.group === undefined && options.reason === undefined && options.all !== true)
    throw new TailraceError('TLR_USAGE', 'say which: --group ID (see dlq list), --reason TEXT, or --all');
  const chooses = choiceOf(options);
  const counts = new Map<string, number>();
  await withClient(options.broker, (client) =>
    forEachOpenLetter(client, name, (letter) => {
      if (letter.edge !== undefined && chooses(letter)) counts.set(letter.edge, (counts.get(letter.edge) ?? 0) + 1);
      return true;
    }),
  );
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
  if (total > 0 && options.yes !== true) {
    note(`this drops ${formatCount(total)} dead letters of ${name} for good; say --yes to do it`);
    process.exitCode = ExitCode.refused;
    return;
  }
  const requests = [...counts.keys()].map((edge): SettleRequest => ({
    edge,
    pipeline: name,
    action: { kind: 'drop' },
    chooses,
  }));
  if (requests.length === 0) note(`${deadLetterTopicOf(name)} has no such dead letters`);
  await settleAll(requests, options, ({ edge, account }) => print(`${edge}: ${formatCount(account.dropped)} dropped`));
}

async function settleAll(
  requests: readonly SettleRequest[],
  options: Options,
  report: (result: SettleResult) => void,
): Promise<void> {
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
  const logger = await createLogger('warn', 'text');
  const common = { files: nodeFiles, clock: systemClock, random: systemRandom, logger, signal: stop.signal };
  await withClient(options.broker, async (client) => {
    for (const request of requests) {
      const result = await settleLetters(request, { ...common, client });
      if (options.json === true) printJson(result);
      else report(result);
      if (result.outcome === 'done') {
        if (result.account.dead > 0) process.exitCode = ExitCode.refused;
        continue;
      }
      const why = result.outcome === 'interrupted' ? 'stopped' : `not complete: ${result.problem ?? 'see above'}`;
      note(`${request.edge}: ${why}; the same command goes on where it was`);
      process.exitCode = ExitCode.refused;
    }
  });
}

/** The options that say which letters are meant. */
function withChoice(command: Command): Command {
  return command
    .option('--group <id>', 'letters of one group of `dlq list`')
    .option('--reason <text>', 'letters with this text in their reason')
    .option('--sink <name>', 'letters of this sink of the pipeline');
}

export function addDlq(program: Command, defaultBroker: string): void {
  const dlq = program.command('dlq').description('dead letters: list, show, try again, drop');
  const verb = (name: string, description: string) =>
    dlq
      .command(name)
      .description(description)
      .option(
        '--broker <addresses>',
        'HOST:PORT[,HOST:PORT…] of any Kafka broker, or @FILE with the properties of a Kafka client',
        defaultBroker,
      )
      .option('--json', 'one JSON object a line');
  verb('list [pipeline]', 'what was refused, by edge, step or sink and reason, with a sample').action(list);
  withChoice(verb('show <pipeline>', 'the records themselves, with reason and origin'))
    .option('--max <count>', 'at most so many', '20')
    .action(show);
  withChoice(verb('retry <pipeline>', 'take them through the steps of the file, as it is now, into their sinks'))
    .option('-c, --config <file>', 'configuration file', 'tailrace.yaml')
    .option('--to <sink>', 'another sink: its name in the file, or a URL')
    .addHelpText(
      'after',
      `
Examples:
  tailrace dlq list
  tailrace dlq retry web -c tailrace.yaml                 after the file was mended
  tailrace dlq retry web --group 1f3a90c2 --sink search

Each record is delivered once, under the id it would have had; what is refused again is a dead letter again.`,
    )
    .action(retry);
  withChoice(verb('drop <pipeline>', 'give them up'))
    .option('--all', 'all of the pipeline')
    .option('--yes', 'really')
    .action(drop);
}
