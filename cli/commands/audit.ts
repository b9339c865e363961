// `tailrace audit [FILE…]`: do bytes read, offsets, and what is in files, stores and topics add up; which range does not. Looks at a running process over its
// listener, and at a data directory that nobody uses by itself. Changes nothing.
import type { Command } from 'commander';
import { systemClock } from '../../base/clock.ts';
import { TailraceError } from '../../base/errors.ts';
import { nodeFiles } from '../../base/node-files.ts';
import { systemRandom } from '../../base/random.ts';
import { formatCount } from '../../base/units.ts';
import { audit, type AuditRequest } from '../../pipelines/audit/audit.ts';
import type { AuditResult, OffsetRange } from '../../pipelines/audit/findings.ts';
import type { EdgePlan, PipelinePlan } from '../../pipelines/plan.ts';
import { printAudit } from '../audit-report.ts';
import { loadOrReport } from '../load.ts';
import { createLogger } from '../logger.ts';
import { ExitCode, note, printJson } from '../output.ts';
import { withBrokerOf } from '../plan-broker.ts';
import { parseStart } from '../positions.ts';

interface Options {
  broker?: string;
  data?: string;
  from?: string;
  until?: string;
  edge?: string[];
  json?: boolean;
}

function timeOf(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const position = parseStart(text);
  if (typeof position === 'object' && 'timestampMs' in position) return position.timestampMs;
  throw new TailraceError('TLR_USAGE', `--${name} ${text}: expected a time (2026-11-22T10:00:00Z) or a time ago (-2h)`);
}

/** The command that delivers a range of an edge again. */
function remedyFor(files: readonly string[], broker: string | undefined): AuditRequest['remedy'] {
  const command = process.env['TAILRACE_COMMAND'] ?? 'tailrace';
  const at = broker === undefined || broker === '127.0.0.1:9092' ? '' : ` --broker ${broker}`;
  return ({ name }: PipelinePlan, { target }: EdgePlan, { topic, partition, from, to }: OffsetRange) => {
    if (target.kind === 'topic') {
      const range = `--partition ${partition} --from ${from} --until ${to}`;
      return `the records are still in ${topic}: ${command} replay ${topic} --to stdout: ${range}${at} shows them`;
    }
    const { settings, name: sink } = target.sink;
    const path =
      typeof settings === 'object' && settings !== null && 'path' in settings ? String(settings.path) : undefined;
    const isAppended = path?.includes('{offset}') === false;
    const destination = isAppended ? `'file:audited/{topic}-{partition}-{offset}.log'` : sink;
    const config = files.length === 1 ? ` -c ${files[0]!}` : '';
    const range = `--partition ${partition} --from ${from} --until ${to} --again`;
    return `${command} replay ${topic} --to ${destination} --steps ${name}${config} ${range}${at}`;
  };
}

async function run(files: string[], options: Options): Promise<void> {
  const loaded = await loadOrReport(files, options.json === true);
  if (loaded === undefined) {
    process.exitCode = ExitCode.usage;
    return;
  }
  const { plan } = loaded;
  const [fromMs, untilMs] = [timeOf('from', options.from), timeOf('until', options.until)];
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => stop.abort(new TailraceError('TLR_CLOSED', 'the audit was stopped')));
  const logger = await createLogger('warn', 'text');
  const common = { files: nodeFiles, clock: systemClock, random: systemRandom, logger, signal: stop.signal };
  const done = await withBrokerOf(plan, options, async (client, address, isRunning = true) => {
    const request = { plan, fromMs, untilMs, edges: options.edge ?? [], remedy: remedyFor(files, address) };
    return { result: await audit(request, { ...common, client }), isRunning };
  });
  report(done.result, options, done.isRunning);
}

function report(result: AuditResult, options: Options, isRunning: boolean): void {
  if (options.json === true) printJson(result);
  else printAudit(result);
  if (result.balanced) return;
  process.exitCode = ExitCode.refused;
  if (options.json === true) return;
  const count = `${formatCount(result.problems.length)} ${result.problems.length === 1 ? 'range does' : 'ranges do'} not add up`;
  note(isRunning ? count : `${count}; the commands need a running tailrace up`);
}

export function addAudit(program: Command): void {
  program
    .command('audit')
    .argument('[files...]', 'configuration files', ['tailrace.yaml'])
    .description(
      'balance bytes read, offsets, and what is in files, stores and topics; name each range that does not add up',
    )
    .option('--from <time>', 'records from this time on: TIME | -2h')
    .option('--until <time>', 'records before this time')
    .option('--edge <names...>', 'these edges alone (pipeline.sink), without the agents')
    .option('--data <directory>', 'data directory (default: the file’s, or ./tailrace-data)')
    .option('--broker <addresses>', 'HOST:PORT[,HOST:PORT…] of the running process or cluster')
    .option('--json', 'the result as one JSON object')
    .addHelpText(
      'after',
      `
Reads everything that is to be balanced once, and changes nothing. Works on a running process (over its listener) and on a data directory that nobody uses.
Exit code: 0 all adds up, 1 something does not, 2 wrong usage or configuration.`,
    )
    .action(run);
}
