// The command: its verbs, help and exit codes. Only the verb that is asked for is loaded, so that each starts fast.
import { type Command, CommanderError, Command as Program } from 'commander';
import { ExitCode, reportError } from './output.ts';
import { version } from './version.ts';

type AddVerb = (program: Command, defaultBroker: string) => void;

/** Every verb and where it lives, in the order of the help. */
const verbs: Record<string, () => Promise<AddVerb>> = {
  up: async () => (await import('./commands/up.ts')).addUp,
  reload: async () => (await import('./commands/reload.ts')).addReload,
  pipe: async () => (await import('./commands/pipe.ts')).addPipe,
  check: async () => (await import('./commands/check.ts')).addCheck,
  test: async () => (await import('./commands/test.ts')).addTest,
  graph: async () => (await import('./commands/graph.ts')).addGraph,
  topics: async () => (await import('./commands/topics.ts')).addTopics,
  produce: async () => (await import('./commands/produce.ts')).addProduce,
  consume: async () => (await import('./commands/consume.ts')).addConsume,
  groups: async () => (await import('./commands/groups.ts')).addGroups,
  replay: async () => (await import('./commands/replay.ts')).addReplay,
  dlq: async () => (await import('./commands/dlq.ts')).addDlq,
  why: async () => (await import('./commands/why.ts')).addWhy,
  top: async () => (await import('./commands/top.ts')).addTop,
  audit: async () => (await import('./commands/audit.ts')).addAudit,
};

/** Where the embedded broker listens unless told otherwise. An IPv4 literal: some clients resolve localhost to ::1 first. */
const defaultBroker = '127.0.0.1:9092';

/** Runs the command with its arguments (without node and script); resolves to the exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  const program = new Program('tailrace')
    .description('Log pipelines in one process: tail, keep, transform, deliver, replay; every line exactly once.')
    .version(version)
    .showHelpAfterError('(run with --help for what is allowed)')
    .showSuggestionAfterError()
    .addHelpText(
      'after',
      `
Examples:
  tailrace up tailrace.yaml                             run everything in the file until Ctrl-C
  tailrace pipe '/var/log/*.log' --to file:out/{partition}-{offset}.ndjson --once
  tailrace check tailrace.yaml                          is it right, and what does each edge guarantee?
  tailrace consume app --follow                         watch a topic of the running broker
  tailrace replay app --to file:again/{partition}-{offset}.ndjson`,
    )
    .exitOverride();
  const asked = verbs[argv[0] ?? ''];
  for (const load of asked === undefined ? Object.values(verbs) : [asked]) (await load())(program, defaultBroker);
  for (const command of allCommands(program)) command.exitOverride().showSuggestionAfterError();
  try {
    await program.parseAsync(argv, { from: 'user' });
    return Number(process.exitCode ?? ExitCode.done);
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? ExitCode.done : ExitCode.usage;
    return reportError(error, argv.includes('--json'));
  }
}

function allCommands(command: Command): Command[] {
  return command.commands.flatMap((child) => [child, ...allCommands(child)]);
}
