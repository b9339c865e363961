// What the runs with CONFORMANCE=all have shown, kept from run to run in results.json beside this file, and the page that is made of it: docs/clients.md.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { features, featureNames } from './features.ts';

const resultsFile = join(import.meta.dirname, 'results.json');
const page = join(import.meta.dirname, '..', '..', '..', 'docs', 'clients.md');

export type BrokerName = 'tailrace' | 'kafka';

/** One client doing one thing with one broker. */
export interface Cell {
  table: 'clients' | 'tools' | 'programs';
  client: string;
  version: string;
  feature: string;
  broker: BrokerName;
  /** Why it did not work; null when it did. */
  failure: string | null;
  /** Something to know about what was seen. */
  note?: string;
}

type KeptCell = Cell & { date: string };

const keyOf = ({ table, client, feature, broker }: Cell) => JSON.stringify([table, client, feature, broker]);

/** Takes the place of what an earlier run of the same cell has shown, and writes the page. */
export function recordCell(cell: Cell): void {
  const kept = existsSync(resultsFile) ? (JSON.parse(readFileSync(resultsFile, 'utf8')) as KeptCell[]) : [];
  const cells = new Map(kept.map((each) => [keyOf(each), each]));
  const failure = cell.failure?.trim().split('\n', 1)[0]!.slice(0, 300) ?? null;
  cells.set(keyOf(cell), { ...cell, failure, date: new Date().toISOString().slice(0, 10) });
  const all = [...cells.values()].sort((left, right) => (keyOf(left) < keyOf(right) ? -1 : 1));
  // One line for each, so that a change shows what changed.
  writeFileSync(resultsFile, `[\n${all.map((each) => JSON.stringify(each)).join(',\n')}\n]\n`);
  writeFileSync(page, render(all));
}

const intro = (cells: readonly KeptCell[]) => `# Clients and tools

<!-- Written by \`CONFORMANCE=all npm run test:conformance -- clients\`; do not edit. -->

Clients, tools and programs that know nothing of Tailrace, each really run against its broker and, as control, against Apache Kafka 4.3.1, started by the same run. ${dates(cells)}.
\`npm run test:conformance -- clients\` repeats it without the control and without the clients in Go; what is not on a machine is skipped by name.

**yes**: did what it is to do with both brokers. **–**: the client has no such feature. Anything else is listed below the table.
`;

const dates = (cells: readonly KeptCell[]) => [...new Set(cells.map(({ date }) => date))].sort().join(', ');

function verdict(cells: readonly KeptCell[]): string {
  const of = (broker: BrokerName) => cells.find((cell) => cell.broker === broker);
  const [ours, theirs] = [of('tailrace'), of('kafka')];
  if (ours === undefined) return theirs?.note === undefined ? '–' : `– (${theirs.note})`;
  const control = theirs === undefined ? 'not run with Kafka' : theirs.failure === null ? '' : 'not with Kafka';
  if (ours.failure === null) return control === '' ? 'yes' : `yes (${control})`;
  return theirs?.failure === null ? '**no**' : 'with neither';
}

function failures(cells: readonly KeptCell[]): string {
  const lines = cells
    .filter(({ failure }) => failure !== null)
    .map(({ client, feature, broker, failure }) => `- ${client}, ${feature}, ${broker}: \`${failure}\``);
  return lines.length === 0 ? '' : `\n${lines.join('\n')}\n`;
}

function clientsTable(cells: readonly KeptCell[]): string {
  const clients = [...new Set(cells.map(({ client }) => client))];
  const rows = clients.map((client) => {
    const own = cells.filter((cell) => cell.client === client);
    const columns = featureNames.map((feature) => verdict(own.filter((cell) => cell.feature === feature)));
    return `| ${client} ${own[0]!.version} | ${columns.join(' | ')} |`;
  });
  return `
## Clients

| client | ${Object.values(features).join(' | ')} |
|${' --- |'.repeat(featureNames.length + 1)}
${rows.join('\n')}

- **${features.records}**: two records with keys, headers and given times come back as they were sent (kcat and the console producer cannot choose times).
- **${features.compression}**: a hundred records with none, gzip, snappy, lz4, zstd; the broker's stored batch has that codec.
- **${features.rebalance}**: two members share four partitions, one leaves, the other one has all; every record is read.
- **${features.resume}**: 60 records are read and committed; the next member of the group reads the 10 that came later, and nothing else; the committed offset is 70.
- **${features.transactions}**: two committed and two aborted, with offsets of a group in them: read_committed shows what was committed, the offset is the committed one's. TransactionalMessageCopier copies 100 records in transactions of 7 with random aborts: each is there once.
- **${features.admin}**: a topic is created with partitions and settings, described, both are changed, described, deleted, and gone from the list.
- **${features.times}**: the offset of a time, and the end.

kafka-python 3.0.12 forgets the assignment of a rebalance that ends after its \`poll\` has, with any broker: let it poll for seconds, not milliseconds.
${failures(cells)}`;
}

function toolsTable(cells: readonly KeptCell[]): string {
  const rows = [...new Set(cells.map(({ client, feature }) => JSON.stringify([client, feature])))].map((key) => {
    const [client, feature] = JSON.parse(key) as [string, string];
    const own = cells.filter((cell) => cell.client === client && cell.feature === feature);
    return `| ${client} | ${feature} | ${verdict(own)} |`;
  });
  return `
## Kafka's own commands

Those of Kafka ${cells[0]?.version ?? ''}; each must print, and end with, what it does with Kafka.

| command | does | works |
| --- | --- | --- |
${rows.join('\n')}
${failures(cells)}`;
}

function programsTable(cells: readonly KeptCell[]): string {
  const rows = cells
    .filter(({ broker }) => broker === 'tailrace')
    .map(({ client, version, feature, note, date, failure }) => {
      const control = cells.find(
        (cell) => cell.client === client && cell.feature === feature && cell.broker === 'kafka',
      );
      const works = verdict([
        { ...cells[0]!, broker: 'tailrace', failure },
        ...(control === undefined ? [] : [control]),
      ]);
      return `| ${client} ${version} | ${feature} | ${works} | ${note ?? ''} | ${date} |`;
    });
  return `
## Programs

Of Kafka's settings each has the address and the topic, and Flume's source a group and where to begin; Streams and Connect also have exactly once and a session timeout of 6 s,
Connect a replication factor of 1. The rest are defaults.

| program | does | works | seen | date |
| --- | --- | --- | --- | --- |
${rows.join('\n')}
${failures(cells)}`;
}

function render(cells: readonly KeptCell[]): string {
  const of = (table: Cell['table']) => cells.filter((cell) => cell.table === table);
  const parts = [
    of('clients').length > 0 ? clientsTable(of('clients')) : '',
    of('tools').length > 0 ? toolsTable(of('tools')) : '',
    of('programs').length > 0 ? programsTable(of('programs')) : '',
  ];
  return intro(cells) + parts.join('');
}
