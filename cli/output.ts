// What people and machines see: tables, JSON lines, colours where they help, errors with what to do about them.
import { messageOf, TailraceError } from '../base/errors.ts';
import { formatCount } from '../base/units.ts';

/** Exit codes that mean something. */
export const ExitCode = { done: 0, refused: 1, usage: 2 } as const;

const colours = { red: 31, green: 32, yellow: 33, cyan: 36, dim: 2, bold: 1 } as const;

/** Wraps `text` in a colour when `stream` is a terminal and NO_COLOR is not set. */
export function paint(colour: keyof typeof colours, text: string, stream: NodeJS.WriteStream = process.stdout): string {
  if (!stream.isTTY || process.env['NO_COLOR'] !== undefined) return text;
  return `\u001b[${colours[colour]}m${text}\u001b[0m`;
}

/** Writes a line to standard output. */
export function print(line = ''): void {
  process.stdout.write(line + '\n');
}

/** Writes a line to standard error, where it does not get into the way of data. */
export function note(line: string): void {
  process.stderr.write(line + '\n');
}

/** One JSON object on one line, for machines. */
export function printJson(value: unknown): void {
  print(
    JSON.stringify(value, (_key, inner: unknown) =>
      inner instanceof Map ? (Object.fromEntries(inner) as unknown) : inner,
    ),
  );
}

export type Cell = string | number | undefined;

/** Columns as wide as their widest cell; numbers to the right; a header in bold. */
export function renderTable(header: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const text = (cell: Cell) => (cell === undefined ? '-' : typeof cell === 'number' ? formatCount(cell) : cell);
  const widths = header.map((name, column) => Math.max(name.length, ...rows.map((row) => text(row[column]).length)));
  const line = (cells: readonly Cell[], isHeader: boolean) =>
    cells
      .map((cell, column) => {
        const isNumber = rows.length > 0 && rows.every((row) => typeof row[column] === 'number');
        const padded = isNumber ? text(cell).padStart(widths[column]!) : text(cell).padEnd(widths[column]!);
        return isHeader ? paint('bold', padded) : padded;
      })
      .join('  ')
      .trimEnd();
  return [line(header, true), ...rows.map((row) => line(row, false))].join('\n');
}

/** Prints what went wrong and what to do; returns the exit code for it. */
export function reportError(error: unknown, json: boolean): number {
  const known = error instanceof TailraceError ? error : undefined;
  const code = known?.code ?? 'TLR_INTERNAL';
  if (json) note(JSON.stringify({ error: { code, message: messageOf(error) } }));
  else {
    note(`${paint('red', 'tailrace:', process.stderr)} ${messageOf(error)}`);
    if (known !== undefined) note(`  ${paint('dim', `${code}: ${known.hint}`, process.stderr)}`);
    else if (error instanceof Error) note(error.stack ?? '');
  }
  return code === 'TLR_USAGE' || code === 'TLR_CONFIG' ? ExitCode.usage : ExitCode.refused;
}
