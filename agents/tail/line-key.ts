// `key: FIELD`: the record key of a line that is a JSON object. Kafka's clients put equal keys into the same partition, and so does this agent.

/** Longer ones would not surely fit beside the longest line (broker limit on a batch), and are no keys. */
const longestKeyBytes = 512;
const openBrace = 0x7b;

/** The key of the line `source[start, end)`; undefined when it has none. */
export type KeyOf = (source: Buffer, start: number, end: number) => Buffer | undefined;

/**
 * Keys are texts, whole numbers and true or false, as text in UTF-8, up to 512 bytes. "user.id" is the field of that very name where there is one, else `id`
 * inside `user`.
 */
export function keyOfField(path: string): KeyOf {
  return (source, start, end) => {
    let first = start;
    while (first < end && source[first]! <= 0x20) first++;
    if (source[first] !== openBrace || first >= end) return undefined;
    let line: unknown;
    try {
      line = JSON.parse(source.toString('utf8', first, end));
    } catch {
      return undefined;
    }
    const value = valueAt(line, path);
    const isKey = typeof value === 'string' || typeof value === 'boolean' || Number.isSafeInteger(value);
    if (!isKey || value === '') return undefined;
    const key = Buffer.from(String(value));
    return key.length <= longestKeyBytes ? key : undefined;
  };
}

function valueAt(value: unknown, path: string): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const fields = value as Record<string, unknown>;
  if (Object.hasOwn(fields, path)) return fields[path];
  for (let dot = path.indexOf('.'); dot >= 0; dot = path.indexOf('.', dot + 1)) {
    const head = path.slice(0, dot);
    const found = Object.hasOwn(fields, head) ? valueAt(fields[head], path.slice(dot + 1)) : undefined;
    if (found !== undefined) return found;
  }
  return undefined;
}
