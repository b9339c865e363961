// `tailrace up [FILE…]`: runs everything in the files until it is told to stop (SIGHUP and `tailrace reload` make it read them
// again); with --once, until everything that is there is delivered.
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { sleep, systemClock, type Timer } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import { nodeFiles } from '../../base/node-files.ts';
import { renderLedger } from '../../pipelines/ledger.ts';
import { loadPlan } from '../../pipelines/load.ts';
import { describeSources } from '../../pipelines/topic-pattern.ts';
import type { Plan } from '../../pipelines/plan.ts';
import { Appliance } from '../appliance.ts';
import { loadOrReport } from '../load.ts';
import { createLogger, type LogLevel } from '../logger.ts';
import { MonitorSwitch } from '../monitor-switch.ts';
import { ExitCode, note, paint, print, printJson } from '../output.ts';
import { loadOptions } from '../registries.ts';
import { refuseReload, Reloader } from '../reloader.ts';
import { Hangups, terminate, untilSignal } from '../signals.ts';

export interface RunOptions {
  data?: string;
  once?: boolean;
  json?: boolean;
  log: 'text' | 'json';
  logLevel: LogLevel;
}

const stopDeadlineMs = 10_000;
/** When `--once` first says what it waits for; the pauses double up to the other. */
const firstNoticeMs = 5000;
const rarestNoticeMs = 60_000;
/** For telling who asked for a reload that it was cut short. */
const answerGraceMs = 1000;

/** Adds the options that `up` and `pipe` share. */
export function addRunOptions(command: Command): Command {
  return command
    .option('--data <directory>', 'data directory (default: the file’s, or ./tailrace-data)')
    .option('--once', 'read what is there, deliver it, print the ledger, exit')
    .option('--json', 'with --once: the ledger as one JSON object on the last line')
    .option('--log <format>', 'text | json', 'text')
    .option('--log-level <level>', 'debug | info | warn | error', 'info');
}

/** The overview: what is read, where lines go, how to look at them. */
function describePlan(plan: Plan, dataDirectory: string, addresses: readonly string[], once: boolean): string {
  const lines = [
    `${paint('bold', 'tailrace')}   data ${dataDirectory}   broker ${addresses.join(', ') || (plan.broker.kind === 'external' ? plan.broker.bootstrap.map(({ host, port }) => `${host}:${port}`).join(', ') : 'in process only')}`,
    '',
  ];
  const column = (title: string, rows: readonly (readonly [string, string])[]) => {
    const width = Math.max(0, ...rows.map(([name]) => name.length));
    rows.forEach(([name, text], index) => {
      lines.push(
        `  ${paint('dim', (index === 0 ? title : '').padEnd(10))} ${paint('cyan', name.padEnd(width))}  ${text}`,
      );
    });
  };
  column(
    'reading',
    plan.agents.map((agent) => [agent.name, `${agent.definition.describe(agent.settings)} → topic ${agent.topic}`]),
  );
  column(
    'pipelines',
    plan.pipelines.map((pipeline) => [
      pipeline.name,
      [
        `topic ${describeSources(pipeline).join(', ')}`,
        ...pipeline.steps.map((step) => step.name),
        pipeline.edges.map((edge) => describeTarget(edge.target)).join(', '),
      ].join(' → '),
    ]),
  );
  const topic = plan.agents[0]?.topic ?? plan.pipelines[0]?.from[0];
  const group = plan.pipelines[0]?.edges[0]?.group;
  if (addresses.length > 0 && topic !== undefined) {
    const command = process.env['TAILRACE_COMMAND'] ?? 'tailrace';
    const broker = addresses[0] === '127.0.0.1:9092' ? '' : ` --broker ${addresses[0]!}`;
    const look: [string, string][] = [[`${command} consume ${topic} --max 5${broker}`, 'the first lines of a topic']];
    if (group !== undefined) look.push([`${command} groups describe ${group}${broker}`, 'how far a pipeline is']);
    look.push([`${command} topics list${broker}`, 'what is kept']);
    column('look', look);
  }
  if (!once) column('stop', [['Ctrl-C', 'everything goes on from here the next time']]);
  return lines.join('\n');
}

function describeTarget(target: Plan['pipelines'][number]['edges'][number]['target']): string {
  return target.kind === 'topic' ? `topic ${target.topic}` : target.sink.definition.describe(target.sink.settings);
}

/** Of `--once`: says what is waited for, soon, and then ever more rarely. Returns what ends that. */
function tellWhatIsAwaited(appliance: Appliance, logger: Logger): () => void {
  let pauseMs = firstNoticeMs;
  const tell = (): Timer =>
    systemClock.schedule(pauseMs, () => {
      const edges = appliance.unfinished();
      const waiting = edges.length === 0 ? 'the agents to read to the ends' : edges.join('; ');
      logger.info('still at work', { waitingFor: waiting });
      pauseMs = Math.min(pauseMs * 2, rarestNoticeMs);
      timer = tell();
    });
  let timer = tell();
  return () => timer.cancel();
}

async function runOnce(
  appliance: Appliance,
  signal: Promise<string>,
  logger: Logger,
  options: RunOptions,
): Promise<void> {
  const done = tellWhatIsAwaited(appliance, logger);
  const drained = appliance.drained().then(() => undefined);
  const interrupted = await Promise.race([drained, appliance.failed, signal]).finally(done);
  await appliance.stop(stopDeadlineMs);
  const ledger = appliance.ledger();
  if (options.json) printJson(ledger);
  else print(renderLedger(ledger));
  if (interrupted !== undefined)
    note(`stopped by ${interrupted} before everything was delivered: run it again to go on`);
  if (interrupted !== undefined || !ledger.balanced) process.exitCode = ExitCode.refused;
}

async function runOn(appliance: Appliance, signal: Promise<string>, logger: Logger): Promise<void> {
  try {
    const reason = await Promise.race([
      signal,
      appliance.failed,
      appliance.jobsFinished().then(() => 'all jobs finished'),
    ]);
    logger.info('stopping', { reason });
  } finally {
    await appliance.stop(stopDeadlineMs);
  }
}

/** Goes over to another plan, the monitor included: all of it or, rejecting, nothing. */
async function applyPlan(appliance: Appliance, monitor: MonitorSwitch, plan: Plan): Promise<readonly string[]> {
  const change = await monitor.change(plan.monitor);
  try {
    const changes = await appliance.apply(plan);
    await change.keep();
    return [...changes, ...change.changes];
  } catch (error) {
    await change.undo();
    throw error;
  }
}

/** Runs a plan as `up` does; used by `pipe`, too. `files`: where it came from, and comes from again at a reload. */
export async function runPlan(loaded: Plan, options: RunOptions, files?: readonly string[]): Promise<void> {
  const hangups = new Hangups();
  const logger = await createLogger(options.logLevel, options.log);
  const signal = untilSignal(ExitCode.refused);
  for (const warning of loaded.warnings) logger.warn(warning);
  const placed = (plan: Plan): Plan => ({ ...plan, dataDirectory: resolve(options.data ?? plan.dataDirectory) });
  const plan = placed(loaded);
  const { dataDirectory } = plan;
  const once = options.once === true;
  const starting = Appliance.start({ plan, dataDirectory, once, logger });
  const appliance = await Promise.race([starting, signal]);
  // Nothing has to be undone: what was begun is recovered by the next start, as after kill -9.
  if (typeof appliance === 'string') process.exit(ExitCode.refused);
  if (options.json !== true)
    print(describePlan(plan, options.data ?? loaded.dataDirectory, appliance.brokerAddresses, once) + '\n');
  const common = { dataDirectory, files: nodeFiles, logger };
  const monitor = new MonitorSwitch(() => appliance.observe(), logger.child({ part: 'monitor' }));
  try {
    await (await monitor.change(plan.monitor)).keep();
  } catch (error) {
    await appliance.stop(stopDeadlineMs);
    throw error;
  }
  let reloader: Reloader | undefined;
  if (once || files === undefined) {
    hangups.handle(() => void refuseReload(common, terminate));
  } else {
    const apply = (next: Plan) => applyPlan(appliance, monitor, placed(next));
    const started = new Reloader({ ...common, load: () => loadPlan(files, loadOptions), apply, clock: systemClock });
    hangups.handle(() => void started.request());
    reloader = started;
  }
  try {
    if (once) await runOnce(appliance, signal, logger, options);
    else await runOn(appliance, signal, logger);
  } finally {
    await Promise.race([reloader?.idle(), sleep(systemClock, answerGraceMs)]);
    await monitor.close();
  }
  // All is closed, but a sink that a reload was trying may still wait for somebody's answer.
  if (reloader !== undefined) process.exit();
}

export function addUp(program: Command): void {
  addRunOptions(
    program
      .command('up')
      .argument('[files...]', 'configuration files', ['tailrace.yaml'])
      .description('run everything in the files: agents, broker, pipelines, sinks'),
  )
    .addHelpText(
      'after',
      '\nExamples:\n  tailrace up\n  tailrace up agents.yaml pipelines.yaml --data /var/lib/tailrace\n  tailrace up nginx.yaml --once',
    )
    .action(async (files: string[], options: RunOptions) => {
      const loaded = await loadOrReport(files, options.json === true);
      if (loaded === undefined) process.exitCode = ExitCode.usage;
      else await runPlan(loaded.plan, options, files);
    });
}
