// One configuration file: YAML 1.2 to plain values, each of which can still be pointed at. Variables are substituted after parsing and in
// scalars alone, so that what they hold can never change the structure; quoted lines show them as written, so that no secret shows.
//   ${env:NAME}  ${env:NAME:-default} (unset or empty)  ${file:path} (the newline at its end is left off)  $${ is a plain ${
import { dirname, isAbsolute, join } from 'node:path';
import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  type Scalar,
  type YAMLError,
} from 'yaml';
import { messageOf } from '../base/errors.ts';
import { formatCount } from '../base/units.ts';
import type { Diagnostic, Place } from './diagnostics.ts';

/** Keys and list positions from the top of the configuration to a value. */
export type Path = readonly (string | number)[];

/** Finds the place of a value, or of its key; of the nearest thing around it that exists. */
export interface Locator {
  locate(path: Path, part: 'key' | 'value'): Place | undefined;
  /** The place of a stretch inside a text, where the text stands in the file as it is; of the whole text otherwise. */
  locateInside(path: Path, start: number, length: number): Place | undefined;
}

export interface Source extends Locator {
  /** The values with variables substituted. */
  readonly value: unknown;
  /** The values as written. */
  readonly raw: unknown;
}

export interface SourceOptions {
  env: Readonly<Record<string, string | undefined>>;
  readFile(path: string): Promise<Buffer>;
}

/** Control characters that YAML does not allow, and what stands for bytes that are no UTF-8. */
const notText = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f\ufffd]/u;
/** Problems of YAML in one file that are shown: one slip brings many about. */
const shownMax = 10;
/** Bounds what aliases can blow up to. */
const nodesMax = 100_000;
const depthMax = 100;

/** Parses one file. Problems go to `problems`; undefined when there is nothing to go on with. */
export async function parseSource(
  file: string,
  text: string,
  options: SourceOptions,
  problems: Diagnostic[],
): Promise<Source | undefined> {
  const strange = text.search(notText);
  if (strange >= 0) {
    const message = `${file} is not YAML text: in line ${text.slice(0, strange).split('\n').length} are bytes that text in UTF-8 does not have (it is packed, in another encoding, or another file was meant)`;
    problems.push({ severity: 'error', message, place: undefined });
    return undefined;
  }
  const lines = new LineCounter();
  const document = parseDocument(text, { version: '1.2', lineCounter: lines, prettyErrors: false, uniqueKeys: true });
  const placeOf = (start: number, end: number): Place => {
    const { line, col } = lines.linePos(Math.min(start, text.length));
    const whole = text.slice(lines.lineStarts[line - 1] ?? 0).split(/\r?\n/, 1)[0]!;
    const length = Math.max(1, Math.min(end - start, whole.length - col + 1));
    return { file, line, column: col, length, text: whole };
  };
  const report = (message: string, start: number, end: number) =>
    void problems.push({ severity: 'error', message, place: placeOf(start, end) });
  const found = firstOfEachLine([...document.errors, ...document.warnings], lines);
  for (const { code, message, pos } of found.slice(0, shownMax)) {
    const word =
      code === 'DUPLICATE_KEY' ? (/^["']?[^\s"':,{}[\]]+/.exec(text.slice(pos[0], pos[0] + 200))?.[0] ?? '') : '';
    const isVariable = text.startsWith('${', pos[0] - 1);
    const reason = isVariable
      ? 'in { } and [ ] a variable needs quotes: "${…}"'
      : explain(code, message, word.replace(/^["']/, ''));
    report(reason, pos[0], Math.max(pos[1], pos[0] + word.length));
  }
  if (found.length > shownMax) {
    const message = `${formatCount(found.length - shownMax)} more problems with the YAML of ${file} are not shown`;
    problems.push({ severity: 'error', message, place: undefined });
  }
  if (document.errors.length > 0) return undefined;
  if (!isMap(document.contents)) {
    report(
      document.contents === null
        ? 'the file is empty; the smallest one names agents, pipelines and sinks'
        : 'a configuration is a map of topics, agents, pipelines and sinks',
      0,
      1,
    );
    return undefined;
  }
  const converter = new Converter(document, file, options, report);
  try {
    const raw = converter.convert(document.contents);
    await converter.substituteAll();
    return { raw, value: converter.convert(document.contents), ...locator(document, text, placeOf) };
  } catch (error) {
    if (!(error instanceof TooLarge)) throw error;
    report(messageOf(error), 0, 1);
    return undefined;
  }
}

/** Where a line is no YAML, what is found behind the first problem follows from it. */
function firstOfEachLine(found: readonly YAMLError[], lines: LineCounter): YAMLError[] {
  const seen = new Set<number>();
  return found.filter(({ code, pos }) => {
    const { line } = lines.linePos(pos[0]);
    if (code !== 'UNEXPECTED_TOKEN') return true;
    const isFirst = !seen.has(line);
    seen.add(line);
    return isFirst;
  });
}

class TooLarge extends Error {}

function explain(code: string, message: string, spot: string): string {
  switch (code) {
    case 'DUPLICATE_KEY':
      return `the key ${spot === '' ? '' : `"${spot}" `}stands here twice`;
    case 'TAB_AS_INDENT':
      return 'indent with spaces, not with a tab';
    case 'MULTIPLE_DOCS':
      return 'one file holds one configuration: give several files instead of several documents';
    case 'TAG_RESOLVE_FAILED':
      return `${message}; quote a text that begins with !`;
    case 'BAD_SCALAR_START':
    case 'UNEXPECTED_TOKEN':
    case 'MISSING_CHAR':
    case 'BAD_INDENT':
      return `this is not YAML: ${message} (a text with special characters needs quotes)`;
    default:
      return `this is not YAML: ${message}`;
  }
}

/** Walks twice: as written, which finds the texts with variables, and, after substituteAll, with what they stand for. */
class Converter {
  private readonly replacements = new Map<Scalar, unknown>();
  private readonly variableNodes = new Set<Scalar<string>>();
  private nodeCount = 0;
  private readonly document: Document;
  private readonly file: string;
  private readonly options: SourceOptions;
  private readonly report: (message: string, start: number, end: number) => void;

  constructor(
    document: Document,
    file: string,
    options: SourceOptions,
    report: (message: string, start: number, end: number) => void,
  ) {
    this.document = document;
    this.file = file;
    this.options = options;
    this.report = report;
  }

  convert(node: unknown, depth = 0): unknown {
    if (++this.nodeCount > nodesMax || depth > depthMax)
      throw new TooLarge('the file is too large or too deep, or its aliases make it so');
    if (isAlias(node)) {
      const target = node.resolve(this.document);
      if (target === undefined) this.report(`there is no anchor &${node.source}`, ...(rangeOf(node) ?? [0, 1]));
      return this.convert(target, depth + 1);
    }
    if (isSeq(node)) return node.items.map((item) => this.convert(item, depth + 1));
    if (isMap(node)) {
      const entries = node.items.map((pair) => [keyText(pair.key), this.convert(pair.value, depth + 1)] as const);
      return Object.fromEntries(entries);
    }
    if (!isScalar(node)) return null;
    if (this.replacements.has(node)) return this.replacements.get(node);
    if (typeof node.value === 'string' && node.value.includes('${')) this.variableNodes.add(node as Scalar<string>);
    return node.value;
  }

  async substituteAll(): Promise<void> {
    for (const node of this.variableNodes) {
      const [start, end] = node.range ?? [0, 1];
      const text = await this.substitute(node.value, (message) => this.report(message, start, end));
      this.replacements.set(node, node.type === 'PLAIN' ? plainValue(text) : text);
    }
  }

  private async substitute(text: string, fail: (message: string) => void): Promise<string> {
    let result = '';
    let copied = 0;
    for (const found of text.matchAll(/\$?\$\{(?:([a-z]+):)?([^}]*)(\}?)/g)) {
      result += text.slice(copied, found.index);
      copied = found.index + found[0].length;
      const [whole, kind, name = '', closed] = found;
      if (whole.startsWith('$$')) result += whole.slice(1);
      else if (closed === '') fail('a variable is not closed: the } is missing');
      else if (kind === 'env') result += this.environment(name, fail);
      else if (kind === 'file') result += await this.contents(name, fail);
      else fail('variables are ${env:NAME}, ${env:NAME:-default} and ${file:path}; a plain ${ is written $${');
    }
    return result + text.slice(copied);
  }

  private environment(expression: string, fail: (message: string) => void): string {
    const at = expression.indexOf(':-');
    const name = at < 0 ? expression : expression.slice(0, at);
    const value = this.options.env[name];
    if (at >= 0) return value === undefined || value === '' ? expression.slice(at + 2) : value;
    if (value === undefined)
      fail(`the environment variable ${name} is not set; set it, or give a default: \${env:${name}:-default}`);
    return value ?? '';
  }

  private async contents(path: string, fail: (message: string) => void): Promise<string> {
    const resolved = isAbsolute(path) ? path : join(dirname(this.file), path);
    try {
      return (await this.options.readFile(resolved)).toString('utf8').replace(/\r?\n$/, '');
    } catch (error) {
      fail(`cannot read ${resolved}: ${messageOf(error)}`);
      return '';
    }
  }
}

function keyText(key: unknown): string {
  return isScalar(key) ? String(key.value) : String(key);
}

/** An unquoted text that became a number or a truth value by substitution is one, as if it had stood there. */
function plainValue(text: string): unknown {
  if (text === 'true' || text === 'false') return text === 'true';
  return text !== '' && String(Number(text)) === text && Number.isFinite(Number(text)) ? Number(text) : text;
}

function locator(document: Document, text: string, placeOf: (start: number, end: number) => Place): Locator {
  const locate = (path: Path, part: 'key' | 'value'): Place => {
    const [start, end] = findRange(document, path, part);
    return placeOf(start, end);
  };
  return {
    locate,
    locateInside(path, start, length) {
      const [from, to] = findRange(document, path, 'value');
      const quote = /["']/.test(text[from] ?? '') ? 1 : 0;
      const value = document.getIn(path);
      const verbatim = typeof value === 'string' && text.slice(from + quote, to - quote) === value;
      return verbatim ? placeOf(from + quote + start, from + quote + start + length) : placeOf(from, to);
    },
  };
}

function findRange(document: Document, path: Path, part: 'key' | 'value'): [number, number] {
  let node: unknown = document.contents;
  let range: [number, number] = [0, 1];
  for (const [depth, step] of path.entries()) {
    if (isAlias(node)) node = node.resolve(document);
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => keyText(key) === String(step));
      if (pair === undefined) return range;
      const last = depth === path.length - 1;
      const value = pair.value;
      range = rangeOf(last && part === 'value' && pointsWell(value) ? value : pair.key) ?? range;
      node = value;
    } else if (isSeq(node)) {
      const item = node.items[Number(step)];
      if (item === undefined) return range;
      range = rangeOf(item) ?? range;
      node = item;
    } else return range;
  }
  return range;
}

/** A block that begins on a later line is found better by its key. */
function pointsWell(value: unknown): boolean {
  if (isScalar(value)) return value.value !== null;
  return (isMap(value) || isSeq(value)) && value.flow === true;
}

function rangeOf(node: unknown): [number, number] | undefined {
  const range = (node as Node | null | undefined)?.range;
  return range === null || range === undefined ? undefined : [range[0], range[1]];
}
