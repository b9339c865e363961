// What is wrong with a configuration, said so that it can be mended: file:line:column, the line itself with a caret, and the name that was
// probably meant. All problems are collected and shown in one go, in the order of the files.

/** A stretch of a configuration file. Lines and columns count from 1; `length` is in characters of that line, at least 1. */
export interface Place {
  file: string;
  line: number;
  column: number;
  length: number;
  /** The whole line as written (variables unsubstituted, so that no secret shows). */
  text: string;
}

export interface Diagnostic {
  severity: 'error' | 'warning';
  message: string;
  /** Undefined for a configuration made by the command itself. */
  place: Place | undefined;
}

/** "tailrace.yaml:3:5", or undefined for a configuration without a file. */
export function formatPlace(place: Place): string {
  return `${place.file}:${place.line}:${place.column}`;
}

/** Files in the given order, then lines, then columns; the same problem only once. */
export function sortDiagnostics(problems: readonly Diagnostic[], files: readonly string[]): Diagnostic[] {
  const rank = (problem: Diagnostic) => (problem.place === undefined ? -1 : files.indexOf(problem.place.file));
  const sorted = problems.toSorted(
    (a, b) =>
      rank(a) - rank(b) ||
      (a.place?.line ?? 0) - (b.place?.line ?? 0) ||
      (a.place?.column ?? 0) - (b.place?.column ?? 0),
  );
  const seen = new Set<string>();
  return sorted.filter((problem) => {
    const key = `${problem.place === undefined ? '' : formatPlace(problem.place)} ${problem.message}`;
    return seen.size < seen.add(key).size;
  });
}

/** All problems as text for people, each with its line and a caret under the spot. No newline at the end. */
export function renderDiagnostics(problems: readonly Diagnostic[]): string {
  return problems.map(renderDiagnostic).join('\n');
}

function renderDiagnostic({ severity, message, place }: Diagnostic): string {
  const label = severity === 'error' ? 'error' : 'warning';
  if (place === undefined) return `${label}: ${message}`;
  const { excerpt, caretColumn } = cutLine(place);
  const number = String(place.line);
  const pad = ' '.repeat(number.length);
  const room = Math.max(1, excerpt.length - caretColumn + 1);
  const caret = ' '.repeat(caretColumn - 1) + '^'.repeat(Math.min(place.length, room));
  return [`${formatPlace(place)}: ${label}: ${message}`, ` ${number} | ${excerpt}`, ` ${pad} | ${caret}`].join('\n');
}

/** Long lines are shown around the spot only; tabs become one space, so that the caret stands right. */
function cutLine(place: Place): { excerpt: string; caretColumn: number } {
  const text = place.text.replaceAll('\t', ' ');
  if (text.length <= 120) return { excerpt: text, caretColumn: place.column };
  const start = Math.max(0, Math.min(place.column - 1 - 40, text.length - 110));
  const end = Math.min(text.length, start + 110);
  const head = start > 0 ? '…' : '';
  const tail = end < text.length ? '…' : '';
  return { excerpt: head + text.slice(start, end) + tail, caretColumn: place.column - start + head.length };
}

/**
 * The candidate nearest to `word` by edit distance (transpositions count one), or undefined when none is near enough to be a slip: at most
 * a third of the longer word's letters may differ, and never more than three.
 */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Infinity;
  for (const candidate of candidates) {
    const limit = Math.min(3, Math.max(1, Math.floor(Math.max(word.length, candidate.length) / 3)));
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance <= limit && distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** ` (did you mean "x"?)`, or the empty text when nothing is near. */
export function suggest(word: string, candidates: Iterable<string>): string {
  const found = nearest(word, candidates);
  return found === undefined ? '' : ` (did you mean "${found}"?)`;
}

/** Edit distance where inserting, deleting, replacing a character or swapping two neighbours costs 1 (optimal string alignment). */
export function editDistance(a: string, b: string): number {
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      let cost = Math.min(previous[j]! + 1, current[j - 1]! + 1, replaced);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        cost = Math.min(cost, beforePrevious[j - 2]! + 1);
      current.push(cost);
    }
    beforePrevious = previous;
    previous = current;
  }
  return previous[b.length]!;
}
