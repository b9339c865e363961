// `tailrace reload [FILE…]`: has the process that runs on the data directory read its configuration again, and tells what came of it.
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { TailraceError } from '../../base/errors.ts';
import { parseDurationMs } from '../../base/units.ts';
import { dataDirectoryOf } from '../load.ts';
import { ExitCode, note, paint, print, printJson, reportError } from '../output.ts';
import { askForReload, type ReloadAnswer } from '../reload-requests.ts';

interface Options {
  data?: string;
  timeout: string;
  json?: boolean;
}

function report({ outcome, changes, problem, code }: ReloadAnswer, json: boolean): void {
  if (json) printJson({ outcome, changes, problem, code });
  else if (outcome === 'applied') {
    for (const change of changes) print(change);
    print(`${paint('green', 'reloaded')}${changes.length === 0 ? ': nothing has changed' : ''}`);
  }
  if (outcome === 'applied') return;
  process.exitCode = code === 'TLR_CONFIG' ? ExitCode.usage : ExitCode.refused;
  if (json) return;
  if (code === 'TLR_CONFIG') note(problem ?? '');
  else reportError(new TailraceError(code ?? 'TLR_INTERNAL', problem ?? 'it was refused'), false);
  note('not reloaded: the old configuration goes on');
}

export function addReload(program: Command): void {
  program
    .command('reload')
    .argument('[files...]', 'the files `up` was started with: they say where the data directory is', ['tailrace.yaml'])
    .description('have the running `tailrace up` read its files again and apply what has changed')
    .option('--data <directory>', 'data directory (default: the file’s, or ./tailrace-data)')
    .option('--timeout <duration>', 'how long to wait for the outcome', '2m')
    .option('--json', 'the outcome as JSON')
    .addHelpText(
      'after',
      `
Agents, pipelines, sinks and topics that did not change go on undisturbed. What cannot be applied changes nothing.
Exit code: 0 applied, 1 refused (a sink cannot be opened, a restart is needed, nothing runs there), 2 the configuration is wrong.`,
    )
    .action(async (files: string[], options: Options) => {
      const timeoutMs = parseDurationMs(options.timeout);
      if (timeoutMs === undefined)
        throw new TailraceError('TLR_USAGE', `--timeout ${options.timeout}: write a number with a unit, such as 30s`);
      const dataDirectory = options.data ?? (await dataDirectoryOf(files));
      if (dataDirectory === undefined) process.exitCode = ExitCode.usage;
      else report(await askForReload(resolve(dataDirectory), timeoutMs), options.json === true);
    });
}
