// An audit as people read it: what became of files, what became of offsets, and each range that does not add up with what to do.
import { formatBytes, formatCount } from '../base/units.ts';
import type { AuditedEdge, AuditResult, OffsetRange, Problem } from '../pipelines/audit/findings.ts';
import { type Cell, paint, print, renderTable } from './output.ts';

const mostFiles = 20;
const mostProblems = 50;

/** As people count them: both ends included. */
function offsets({ from, to }: OffsetRange): string {
  return to - from === 1 ? String(from) : `${from}–${to - 1}`;
}

const placeOf = ({ topic, partition }: OffsetRange) => `${topic}/${partition}`;

export function printAudit(result: AuditResult): void {
  printAgents(result);
  printEdges(result.edges);
  for (const text of result.notes) print(`${paint('yellow', 'not checked')}  ${text}`);
  if (result.notes.length > 0) print();
  for (const problem of result.problems.slice(0, mostProblems)) printProblem(problem);
  const more = result.problems.length - mostProblems;
  if (more > 0) print(`… and ${formatCount(more)} more; --json has all\n`);
  if (result.balanced) print(paint('green', 'balanced: what was read, kept and delivered adds up'));
  else print(paint('red', 'NOT balanced'));
}

function printAgents({ agents }: AuditResult): void {
  if (agents.length === 0) return;
  const files = agents.flatMap(({ files: own }) => own);
  const rows = files.slice(0, mostFiles).map(({ agent, path, fromByte, toByte, records, ranges }): Cell[] => {
    const [first] = ranges;
    const rest = ranges.length > 1 ? `, … ${ranges.length} stretches` : '';
    const at = first === undefined ? '-' : `${placeOf(first)}  ${offsets(first)}${rest}`;
    return [agent, path, `${fromByte}–${toByte}`, records, at];
  });
  print(renderTable(['AGENT', 'FILE', 'BYTES', 'RECORDS', 'OFFSETS'], rows));
  if (files.length > mostFiles) {
    const bytes = formatBytes(agents.reduce((sum, agent) => sum + agent.bytes, 0));
    const records = formatCount(agents.reduce((sum, agent) => sum + agent.records, 0));
    print(`… ${formatCount(files.length)} files in all, ${bytes}, ${records} records; --json has each`);
  }
  print();
}

function printEdges(edges: readonly AuditedEdge[]): void {
  if (edges.length === 0) return;
  const ranges = edges.flatMap(({ edge, ranges: own }) =>
    own.map((range): Cell[] => [edge, placeOf(range), offsets(range), range.records, range.skipped]),
  );
  if (ranges.length > 0) {
    print(renderTable(['EDGE', 'TOPIC', 'OFFSETS', 'RECORDS', 'MARKERS, ABORTED'], ranges));
    print();
  }
  const header = ['EDGE', 'READ', 'DELIVERED', 'ALREADY THERE', 'DROPPED', 'DEAD LETTERS', 'LOOKED AT', ''];
  const rows = edges.map((edge): Cell[] => [
    ...[edge.edge, edge.read, edge.delivered, edge.alreadyThere, edge.dropped, edge.deadLetters, lookedAt(edge)],
    edge.balanced ? 'adds up' : 'DOES NOT ADD UP',
  ]);
  print(renderTable(header, rows));
  print();
}

function lookedAt({ checked: { what, count, lines } }: AuditedEdge): string {
  if (what === 'nothing') return 'offsets';
  const noun = count === 1 ? what.slice(0, -1) : what;
  return `${formatCount(count)} ${noun}${what === 'files' ? `, ${formatCount(lines)} lines` : ''}`;
}

function printProblem({ who, ranges, where, what, remedy }: Problem): void {
  const places = ranges.map(
    (range) => `${placeOf(range)} ${range.to - range.from === 1 ? 'offset' : 'offsets'} ${offsets(range)}`,
  );
  const shown = places.length > 4 ? [...places.slice(0, 4), '…'] : places;
  print(`${paint('red', '✗')} ${paint('bold', who)}  ${shown.join(', ')}`);
  print(`    ${where === undefined ? '' : `${where}: `}${what}`);
  for (const line of remedy?.split('\n') ?? []) print(`    ${paint('cyan', line)}`);
  print();
}
