// `tailrace test FILE…`: runs the unit tests of a configuration and shows, field by field, what is not as expected.
import type { Command } from 'commander';
import { renderTestResults, runUnitTest, type TestResult } from '../../pipelines/unit-tests.ts';
import { loadOrReport } from '../load.ts';
import { ExitCode, note, paint, print, printJson } from '../output.ts';

async function test(files: string[], options: { json?: boolean }): Promise<void> {
  const loaded = await loadOrReport(files, options.json === true);
  if (loaded === undefined) {
    process.exitCode = ExitCode.usage;
    return;
  }
  const { tests } = loaded.plan;
  if (tests.length === 0) {
    note(
      `there are no tests in ${files.join(', ')}: a list under "tests", as - { pipeline: web, in: 'a line', out: dropped }`,
    );
    process.exitCode = ExitCode.usage;
    return;
  }
  const results: TestResult[] = [];
  for (const each of tests) results.push(await runUnitTest(each));
  const passed = results.every((result) => result.passed);
  if (options.json === true) printJson({ passed, tests: results });
  else print(paint(passed ? 'green' : 'red', renderTestResults(results)));
  if (!passed) process.exitCode = ExitCode.refused;
}

export function addTest(program: Command): void {
  program
    .command('test')
    .argument('[files...]', 'configuration files', ['tailrace.yaml'])
    .description('run the tests of a configuration')
    .option('--json', 'the results as JSON')
    .addHelpText('after', '\nExit code: 0 all passed, 1 some did not, 2 the configuration is wrong or has no tests.')
    .action(test);
}
