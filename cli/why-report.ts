// The path of a record as people read it: from the file at the top to where it is now.
import { formatBytes, formatCount } from '../base/units.ts';
import type { EdgePath, LetterPath, PiecePath } from '../pipelines/why/edge-path.ts';
import type { RecordPath } from '../pipelines/why/why.ts';
import { paint, print } from './output.ts';

const valueCharacters = 160;
const labelCharacters = 9;

const time = (ms: number) => new Date(Math.min(Math.max(ms, 0), 8.64e15)).toISOString();
const short = (text: string) => {
  const line = text.replace(/[\u0000-\u001f\u007f]+/g, ' ');
  return line.length > valueCharacters ? `${line.slice(0, valueCharacters)}…` : line;
};

function row(label: string, text: string): void {
  print(`${paint('dim', label.padEnd(labelCharacters))}${text}`);
}

const states: Record<RecordPath['state'], string> = {
  committed: '',
  open: 'its transaction has not ended: readers do not see it yet',
  aborted: 'its transaction was aborted: readers never see it',
  none: 'there is no record at this offset: it marks the end of a transaction, or compaction took it',
  deleted: 'the topic does not keep it any more',
  'not-yet': 'nothing was written there yet',
};

export function printPath(path: RecordPath): void {
  const { file, origin } = path;
  if (file !== undefined) {
    const who = file.agent === undefined ? '' : `   agent ${file.agent} on ${file.host ?? '?'}`;
    row('file', `${file.path ?? `a file that is forgotten (${file.file})`}   byte ${formatCount(file.byte)}${who}`);
  }
  if (origin !== undefined) {
    const piece = origin.ordinal === 0 ? '' : `, piece ${origin.ordinal}`;
    row('from', `${origin.topic}/${origin.partition}/${origin.offset}${piece}`);
  }
  const name = paint('bold', `${path.topic}/${path.partition}/${path.offset}`);
  const inSync = `leader ${path.leader}, in sync ${path.inSyncReplicas.join(',')} of ${path.replicas.join(',')}`;
  row('record', `${name}   ${path.timestampMs === undefined ? '' : `${time(path.timestampMs)}   `}${inSync}`);
  if (path.state !== 'committed') {
    const holds = path.end > path.start ? `it holds offsets ${path.start}–${path.end - 1}` : 'it is empty';
    row('', paint('yellow', `${states[path.state]} (${holds})`));
    return;
  }
  row('', `${formatBytes(path.bytes)}${path.key === null ? '' : `   key ${short(path.key)}`}   ${short(path.value)}`);
  for (const edge of path.edges) printEdge(edge, path);
  for (const { edge, atMs, from, to } of path.others)
    row('other', `${edge}   decided ${time(atMs)} with offsets ${from}–${to - 1}`);
  if (path.edges.length + path.others.length === 0) row('edges', 'nobody has delivered it');
  for (const next of path.next) {
    print();
    printPath(next);
  }
}

const colours: Record<EdgePath['state'], Parameters<typeof paint>[0]> = {
  ...{ waits: 'yellow', delivered: 'green', missing: 'red', dropped: 'cyan', refused: 'red', decided: 'yellow' },
};

function printEdge(edge: EdgePath, { offset, start }: RecordPath): void {
  const { state, committed, decided, droppedBy, target } = edge;
  const when = decided === undefined ? '' : `, ${time(decided.atMs)}, with offsets ${decided.from}–${decided.to - 1}`;
  const told = {
    waits: `waits: ${formatCount(offset - (committed ?? start))} offsets are before it${committed === undefined ? '; the edge has decided nothing yet' : ''}`,
    delivered: `delivered${when}`,
    missing: `was delivered${when}`,
    dropped: `dropped by ${droppedBy ?? 'a step'}${when}`,
    refused: `refused${when}`,
    decided: `decided${when}`,
  }[state];
  row('edge', `${paint('bold', edge.edge)}   ${paint(colours[state], told)}   ${paint('dim', target)}`);
  for (const piece of edge.pieces) printPiece(piece);
  for (const letter of edge.letters) printLetter(letter);
  for (const text of edge.notes) row('', paint('dim', text));
}

function printPiece({ where, line, problem, value, ordinal }: PiecePath): void {
  const place = where === undefined ? '' : `${where}${line === undefined ? '' : `:${line}`}   `;
  const piece = ordinal === 0 ? '' : `piece ${ordinal}: `;
  const trouble = problem === undefined ? '' : paint('red', `${problem}   `);
  row('', `→ ${piece}${place}${trouble}${paint('dim', short(value))}`);
}

function printLetter({ letter, refusedBy, reason, diedMs, isOpen }: LetterPath): void {
  const settled = isOpen ? '' : ' (tried again or dropped since)';
  row('', `✗ ${letter}   ${time(diedMs)}   ${refusedBy}: ${short(reason)}${settled}`);
}
