// Path patterns: `*` and `?` (not over "/"), `[abc]`, `[a-z]`, `[!a]`, `{one,two}` (may be nested), `**` as a whole segment for any number of
// folders, none included, and `\` before a character that is to be itself. A name that begins with a dot matches only a pattern that says
// the dot. Patterns become one regular expression each segment, so that discovery lists only the folders that can matter.

/** A part of the path between slashes: a plain name, any number of folders, or a pattern. */
export type Segment = { kind: 'name'; name: string } | { kind: 'folders' } | { kind: 'pattern'; expression: RegExp };

/** One alternative of a pattern after its braces are spread out; from the root when the pattern is absolute. */
export interface Glob {
  readonly source: string;
  readonly segments: readonly Segment[];
}

/** `a{b,c{d,e}}` → `ab`, `acd`, `ace`. Braces without a comma or without an end stand for themselves. */
export function spreadBraces(pattern: string): string[] {
  for (let start = 0; start < pattern.length; start++) {
    if (pattern[start] === '\\') start++;
    else if (pattern[start] === '{') {
      const parts = alternatives(pattern, start);
      if (parts === undefined) continue;
      const head = pattern.slice(0, start);
      const tails = spreadBraces(pattern.slice(parts.end));
      return parts.choices.flatMap((choice) =>
        spreadBraces(choice).flatMap((middle) => tails.map((tail) => head + middle + tail)),
      );
    }
  }
  return [pattern];
}

/** The choices of the brace that opens at `start` and where it ends; undefined when it is no list of choices. */
function alternatives(pattern: string, start: number): { choices: string[]; end: number } | undefined {
  const choices: string[] = [];
  let depth = 0;
  let from = start + 1;
  for (let at = start; at < pattern.length; at++) {
    const character = pattern[at];
    if (character === '\\') at++;
    else if (character === '{') depth++;
    else if (character === ',' && depth === 1) {
      choices.push(pattern.slice(from, at));
      from = at + 1;
    } else if (character === '}' && --depth === 0) {
      if (choices.length === 0) return undefined;
      choices.push(pattern.slice(from, at));
      return { choices, end: at + 1 };
    }
  }
  return undefined;
}

const special = /[\\^$.*+?()[\]{}|/]/g;
const literal = (text: string) => text.replace(special, '\\$&');

/** `[!a-c]` from `start`: its expression and where it ends; undefined when it is not closed. */
function characterSet(pattern: string, start: number): { expression: string; end: number } | undefined {
  let at = start + 1;
  const negated = pattern[at] === '!' || pattern[at] === '^';
  if (negated) at++;
  let members = '';
  for (let first = true; at < pattern.length; at++, first = false) {
    let character = pattern[at]!;
    if (character === ']' && !first) return { expression: `[${negated ? '^/' : ''}${members}]`, end: at + 1 };
    if (character === '\\' && at + 1 < pattern.length) character = pattern[++at]!;
    else if (character === '-' && !first && pattern[at + 1] !== ']') {
      members += '-';
      continue;
    }
    members += character.replace(/[\\\]^[-]/g, '\\$&');
  }
  return undefined;
}

/** One segment (no slash in it) as a regular expression's source, without anchors. */
function segmentExpression(pattern: string): string {
  let expression = '';
  for (let at = 0; at < pattern.length;) {
    const character = pattern[at]!;
    if (character === '*') expression += '[^/]*';
    else if (character === '?') expression += '[^/]';
    else if (character === '[') {
      const set = characterSet(pattern, at);
      if (set !== undefined) {
        expression += set.expression;
        at = set.end;
        continue;
      }
      expression += '\\[';
    } else if (character === '\\' && at + 1 < pattern.length) expression += literal(pattern[++at]!);
    else expression += literal(character);
    at++;
  }
  // A leading dot is matched only by a dot that is written: hidden files and folders are left alone.
  return (/^(\*|\?|\[)/.test(pattern) ? '(?!\\.)' : '') + expression.replace(/(\[\^\/\]\*)+/g, '[^/]*');
}

function segmentOf(pattern: string): Segment {
  if (pattern === '**') return { kind: 'folders' };
  if (!/[*?[\\]/.test(pattern)) return { kind: 'name', name: pattern };
  return { kind: 'pattern', expression: new RegExp(`^${segmentExpression(pattern)}$`, 'su') };
}

/** Compiles a path pattern. Throws a plain RegExp error when a character set is impossible, such as `[z-a]`. */
export function compileGlob(pattern: string): Glob[] {
  return spreadBraces(pattern).map((source) => ({
    source,
    segments: source
      .split('/')
      .filter((part) => part !== '' && part !== '.')
      .map(segmentOf),
  }));
}

/** Whether one name satisfies a segment that is not `**`. */
export function matchesSegment(segment: Segment, name: string): boolean {
  if (segment.kind === 'name') return segment.name === name;
  return segment.kind === 'folders' ? !name.startsWith('.') : segment.expression.test(name);
}

/** Whether the whole of `path` satisfies the pattern. */
export function matchesGlob(glob: Glob, path: string): boolean {
  const names = path.split('/').filter((name) => name !== '' && name !== '.');
  // reached[i]: the names so far can satisfy the first i segments.
  let reached = new Set<number>([0]);
  const spread = (states: Set<number>) => {
    for (const state of states) if (glob.segments[state]?.kind === 'folders') states.add(state + 1);
    return states;
  };
  reached = spread(reached);
  for (const name of names) {
    const next = new Set<number>();
    for (const state of reached) {
      const segment = glob.segments[state];
      if (segment === undefined || !matchesSegment(segment, name)) continue;
      next.add(segment.kind === 'folders' ? state : state + 1);
    }
    reached = spread(next);
  }
  return reached.has(glob.segments.length);
}

/** Exclusion: a pattern without a slash is matched against the file's name, one with a slash against the whole path. */
export function compileExclude(patterns: readonly string[]): (path: string) => boolean {
  const globs = patterns.flatMap((pattern) =>
    compileGlob(pattern).map((glob) => ({ glob, byName: !pattern.includes('/') })),
  );
  return (path) => {
    const name = path.slice(path.lastIndexOf('/') + 1);
    return globs.some(({ glob, byName }) => matchesGlob(glob, byName ? name : path));
  };
}
