// Settings with a unit as people write them ("256MB", "15m"), for the zod schemas of agents and sinks: `z.string().transform(asSizeBytes('256MB'))`.
import { z } from 'zod';
import { parseDurationMs, parseSizeBytes } from './units.ts';

type Transform = (text: string, context: z.RefinementCtx) => number;

function measure(what: string, example: string, parse: (text: string) => number | undefined): Transform {
  return (text, context) => {
    const value = parse(text);
    if (value !== undefined && value > 0) return value;
    context.addIssue({
      code: 'custom',
      message: `"${text}" is not a ${what}; write a number with a unit, such as ${example}`,
    });
    return z.NEVER;
  };
}

/** A size above zero, in bytes; `example` is shown to who wrote something else. */
export function asSizeBytes(example: string): Transform {
  return measure('size', example, parseSizeBytes);
}

/** A duration above zero, in milliseconds. */
export function asDurationMs(example: string): Transform {
  return measure('duration', example, parseDurationMs);
}
