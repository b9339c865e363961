// `from: /regex/`: topics by their names. The expression must match the whole name. Internal topics ("__…") and dead letters ("….dlq") are never matched, or a
// pipeline would read what it has refused itself; name those that are to be read.
import { compilePattern } from '../base/regex.ts';

export interface TopicPattern {
  /** Between the slashes. */
  readonly source: string;
  readonly matches: (topic: string) => boolean;
}

/** The text between the slashes; undefined when it is a plain name. */
export function patternSource(from: string): string | undefined {
  return from.length > 1 && from.startsWith('/') && from.endsWith('/') ? from.slice(1, -1) : undefined;
}

/** Throws TailraceError TLR_CONFIG when it is no regular expression. */
export function compileTopicPattern(source: string): TopicPattern {
  compilePattern(source); // Alone first: what is wrong with it is said of what was written.
  const pattern = compilePattern(`^(?:${source})$`);
  return {
    source,
    matches: (topic) => !topic.startsWith('__') && !topic.endsWith('.dlq') && pattern.test(topic),
  };
}

/** Everything under `from`, patterns between slashes: for people. */
export function describeSources(pipeline: {
  from: readonly string[];
  fromPatterns: readonly TopicPattern[];
}): string[] {
  return [...pipeline.from, ...pipeline.fromPatterns.map(({ source }) => `/${source}/`)];
}
