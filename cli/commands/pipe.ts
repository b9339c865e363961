// `tailrace pipe SOURCE… --to SINK…`: the one-liner. It makes a configuration and runs it as `up` does: durable, and running it again resumes.
import type { Command } from 'commander';
import { resolve } from 'node:path';
import { planOrReport } from '../load.ts';
import { ExitCode, print } from '../output.ts';
import { addRunOptions, type RunOptions, runPlan } from './up.ts';

interface Options extends RunOptions {
  to: string[];
  parse?: string;
  drop?: string;
  printConfig?: boolean;
}

/** A path or pattern is tailed; anything with a scheme is taken as it is. Paths become absolute: the same line resumes from any folder. */
function sourceOf(text: string): string {
  return /^[a-z][a-z0-9+.-]*:/i.test(text) ? text : `tail://${resolve(text)}`;
}

/** The configuration that the one-liner stands for. Its broker listens nowhere: two one-liners would want the same port. */
export function configOf(sources: readonly string[], options: Options): Record<string, unknown> {
  const numbered = (base: string, count: number, index: number) => (count === 1 ? base : `${base}-${index + 1}`);
  const steps = [
    ...(options.parse === undefined ? [] : [{ parse: options.parse }]),
    ...(options.drop === undefined ? [] : [{ drop: options.drop }]),
  ];
  const sinks = Object.fromEntries(options.to.map((sink, index) => [numbered('out', options.to.length, index), sink]));
  const agents = Object.fromEntries(
    sources.map((source, index) => [numbered('lines', sources.length, index), sourceOf(source)]),
  );
  return {
    ...(options.data === undefined ? {} : { data: options.data }),
    broker: { listen: [] },
    agents,
    pipelines: {
      pipe: { from: Object.keys(agents), ...(steps.length === 0 ? {} : { steps }), to: Object.keys(sinks) },
    },
    sinks,
  };
}

export function addPipe(program: Command): void {
  addRunOptions(
    program
      .command('pipe')
      .argument('<sources...>', 'paths, patterns (quote them) or URLs')
      .description('tail, parse and deliver in one line; durable, and running it again resumes')
      .requiredOption('--to <sinks...>', 'sink URLs, e.g. file:out/{partition}-{offset}.ndjson, stdout:'),
  )
    .option('--parse <parser>', 'json, logfmt, nginx_combined, …')
    .option('--drop <cel>', 'drop the records for which the expression is true')
    .option('--print-config', 'print the same as YAML and exit')
    .addHelpText(
      'after',
      `
Examples:
  tailrace pipe '/var/log/nginx/access.log*' --parse nginx_combined --drop 'status < 400' --to file:errors/{partition}-{offset}.ndjson
  tailrace pipe app.log --to file:out/{partition}-{offset}.log.gz --once`,
    )
    .action(async (sources: string[], options: Options) => {
      const loaded = planOrReport(configOf(sources, options), options.json === true);
      if (loaded === undefined) process.exitCode = ExitCode.usage;
      else if (options.printConfig === true) print(loaded.expand().trimEnd());
      else await runPlan(loaded.plan, options);
    });
}
