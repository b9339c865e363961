// Whole numbers that a JavaScript number cannot hold: ids of 17 and more digits are common in JSON logs, and a changed record must not go out
// with other digits than it came with. They compute and compare as the nearest number, and are written digit by digit.

interface SourceContext {
  source?: string;
}

/** The parts of JSON that TypeScript's library does not declare yet (ES2026, in V8 since 11.4). */
const json = JSON as JsonWithSource & JSON;
interface JsonWithSource {
  parse(text: string, reviver: (name: string, value: unknown, context: SourceContext) => unknown): unknown;
  rawJSON(text: string): unknown;
}

export class ExactInteger {
  /** As written in the JSON. */
  readonly digits: string;

  constructor(digits: string) {
    this.digits = digits;
  }

  toString(): string {
    return this.digits;
  }

  toNumber(): number {
    return Number(this.digits);
  }

  toJSON(): unknown {
    return json.rawJSON(this.digits);
  }
}

/** As JSON.parse, with ExactInteger for whole numbers that a number would change. Throws SyntaxError. */
export function parseExactJson(text: string): unknown {
  if (!/\d{16}/.test(text)) return JSON.parse(text);
  return json.parse(text, (_, value, { source }) => {
    if (typeof value !== 'number' || source === undefined || Number.isSafeInteger(value)) return value;
    return /^-?\d+$/.test(source) ? new ExactInteger(source) : value;
  });
}
