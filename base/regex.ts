// Regular expressions from users that cannot hang. V8 has a linear-time engine behind two flags: with the first the ordinary (fast,
// backtracking) engine hands over to it after 50,000 backtracks, with the second a pattern can be asked beforehand, by the flag `l`, whether
// that engine covers it. What it does not cover (flag i, \p{…}, counts above 16) runs on RE2JS: linear too, some thirty times slower. What
// RE2JS refuses as well (look-ahead, back-references) is refused here. The flags are called experimental by V8: test/base/regex.test.ts
// fails when a release drops them, and then everything falls to RE2JS by itself. Nobody else may make a RegExp of a user's text.
import { setFlagsFromString } from 'node:v8';
import { RE2JS } from 're2js';
import { messageOf, TailraceError } from './errors.ts';

setFlagsFromString('--enable-experimental-regexp-engine');
setFlagsFromString('--enable-experimental-regexp-engine-on-excessive-backtracks');

/** A compiled pattern. Its syntax is RE2's as far as JavaScript shares it; groups are named `(?<name>…)` or `(?P<name>…)`. */
export interface Pattern {
  readonly source: string;
  readonly engine: 'native' | 're2js';
  /** In the order of the pattern. */
  readonly groupNames: readonly string[];
  /** Whether it is found anywhere in the text. */
  test(text: string): boolean;
  /** The text of each capturing group of the first match ([0] is the whole), undefined where a group took no part; undefined without a match. */
  match(text: string): readonly (string | undefined)[] | undefined;
  /** The number of a named group, for use with match(). */
  groupNumber(name: string): number;
  /** Replaces every match by what `replacement` makes of it. */
  replace(text: string, replacement: (match: string) => string): string;
}

/** Spellings that RE2 and JavaScript both accept but understand differently: they go to RE2JS, whose meaning is the documented one. */
const meaningDiffers = /\\[AzQEpPaCG]|\[\[:|\\x\{/;

/**
 * Compiles a user's pattern. Throws TailraceError TLR_CONFIG, saying why, when it is not a pattern or cannot run in linear time.
 */
export function compilePattern(source: string): Pattern {
  const portable = source.replaceAll('(?P<', '(?<');
  return (meaningDiffers.test(source) ? undefined : compileNative(source, portable)) ?? compileRe2(source, portable);
}

function compileNative(source: string, portable: string): Pattern | undefined {
  let all: RegExp;
  try {
    new RegExp(portable, 'l');
    all = new RegExp(portable, 'g');
  } catch {
    return undefined;
  }
  const { numbers, nameless } = numberNames(portable);
  const single = new RegExp(nameless);
  return {
    source,
    engine: 'native',
    groupNames: [...numbers.keys()],
    test: (text) => single.test(text),
    match: (text) => single.exec(text) ?? undefined,
    groupNumber: (name) => numbers.get(name) ?? -1,
    replace: (text, replacement) => text.replace(all, replacement),
  };
}

/**
 * Names and numbers of the capturing groups, by reading the pattern: RegExp tells names only, and only of a match. `nameless` is the pattern without
 * the names, which spares V8 making a map of them for every match.
 */
function numberNames(pattern: string): { numbers: Map<string, number>; nameless: string } {
  const numbers = new Map<string, number>();
  let count = 0;
  let inClass = false;
  let nameless = '';
  let copied = 0;
  for (let index = 0; index < pattern.length; index++) {
    const character = pattern[index];
    if (character === '\\') index++;
    else if (inClass) inClass = character !== ']';
    else if (character === '[') inClass = true;
    else if (character === '(') {
      const name = /^\(\?<([^>=!]+)>/.exec(pattern.slice(index, index + 200))?.[1];
      if (name !== undefined || pattern[index + 1] !== '?') count++;
      if (name === undefined) continue;
      if (!numbers.has(name)) numbers.set(name, count);
      nameless += pattern.slice(copied, index + 1);
      copied = index + 1 + `?<${name}>`.length;
    }
  }
  return { numbers, nameless: nameless + pattern.slice(copied) };
}

function compileRe2(source: string, portable: string): Pattern {
  let compiled: RE2JS;
  try {
    compiled = RE2JS.compile(portable);
  } catch (error) {
    throw new TailraceError('TLR_CONFIG', explain(messageOf(error)), { cause: error });
  }
  const numbers = new Map(Object.entries(compiled.namedGroups()).toSorted((a, b) => a[1] - b[1]));
  const groupCount = compiled.groupCount();
  return {
    source,
    engine: 're2js',
    groupNames: [...numbers.keys()],
    test: (text) => compiled.matcher(text).find(),
    match(text) {
      const matcher = compiled.matcher(text);
      if (!matcher.find()) return undefined;
      return Array.from({ length: groupCount + 1 }, (_, group) => matcher.group(group) ?? undefined);
    },
    groupNumber: (name) => numbers.get(name) ?? -1,
    replace(text, replacement) {
      const matcher = compiled.matcher(text);
      let result = '';
      let copied = 0;
      while (matcher.find()) {
        result += text.slice(copied, matcher.start()) + replacement(matcher.group() ?? '');
        copied = matcher.end();
      }
      return copied === 0 && result === '' ? text : result + text.slice(copied);
    },
  };
}

function explain(message: string): string {
  const reason = message.replace(/^error parsing regexp: /, '');
  const unsupported = /`(\(\?[=!]|\(\?<[=!]|\\[1-9])/.test(reason);
  if (!unsupported) return `this is not a regular expression: ${reason}`;
  return `${reason}: look-around and back-references are refused, because patterns with them can take exponential time`;
}
