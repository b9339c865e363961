// `tailrace graph FILE…`: draws a configuration, for Markdown (Mermaid) or Graphviz (DOT).
import { type Command, Option } from 'commander';
import { renderDot, renderMermaid } from '../../pipelines/graph.ts';
import { loadOrReport } from '../load.ts';
import { ExitCode, print, printJson } from '../output.ts';

interface Options {
  format: 'mermaid' | 'dot';
  deadLetters?: boolean;
  json?: boolean;
}

async function graph(files: string[], options: Options): Promise<void> {
  const loaded = await loadOrReport(files, options.json === true);
  if (loaded === undefined) {
    process.exitCode = ExitCode.usage;
    return;
  }
  const render = options.format === 'dot' ? renderDot : renderMermaid;
  const text = render(loaded.plan, { deadLetters: options.deadLetters === true });
  if (options.json === true) printJson({ format: options.format, graph: text });
  else print(text);
}

export function addGraph(program: Command): void {
  program
    .command('graph')
    .argument('[files...]', 'configuration files', ['tailrace.yaml'])
    .description('draw a configuration: agents, topics, pipelines, sinks')
    .addOption(
      new Option('--format <format>', 'the language of the picture').choices(['mermaid', 'dot']).default('mermaid'),
    )
    .option('--dead-letters', 'with the dead-letter topics')
    .option('--json', 'the picture inside a JSON object')
    .addHelpText(
      'after',
      '\nAs a file:  tailrace graph --format dot tailrace.yaml | dot -Tsvg > tailrace.svg\n\nExit code: 0 drawn, 2 the configuration is wrong.',
    )
    .action(graph);
}
