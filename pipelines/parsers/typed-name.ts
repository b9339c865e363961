// Names with a type, "took_ms:int", as grok, dissect and csv write them.

/** There are int, float and string. */
export const typeNames = ['int', 'float', 'string'] as const;

/** A number that cannot be one stays the text it is. */
export function converter(type: string | undefined): (text: string) => unknown {
  if (type !== 'int' && type !== 'float') return (text) => text;
  return (text) => {
    const number = Number(text);
    if (text.trim() === '' || !Number.isFinite(number)) return text;
    return type === 'int' ? Math.trunc(number) : number;
  };
}

/** Throws TypeError for a type that there is not. */
export function splitTyped(text: string): { name: string; convert: (text: string) => unknown } {
  const colon = text.lastIndexOf(':');
  if (colon < 0) return { name: text, convert: converter(undefined) };
  const type = text.slice(colon + 1);
  if (!typeNames.some((name) => name === type))
    throw new TypeError(`"${type}" is no type; there are ${typeNames.join(', ')}`);
  return { name: text.slice(0, colon), convert: converter(type) };
}
