// `timestamp: FIELD` or `timestamp: { field, format }`: the record's time is what the field says. Without a format the usual ones are
// recognised (../time-format.ts); a time without a zone is UTC. The field stays. Where it is missing, or says no time, the step fails.
import { z } from 'zod';
import { checkTimeFormat, parseTime, parseTimeAs } from '../time-format.ts';
import { defineStep } from './definition.ts';
import { getField } from './fields.ts';
import { StepError } from './step.ts';

export const timestamp = defineStep({
  name: 'timestamp',
  summary: "takes the record's time from a field",
  settings: z.union(
    [z.string().min(1), z.strictObject({ field: z.string().min(1), format: z.string().optional() })],
    'a field name, or { field, format }',
  ),
  compile(settings, context) {
    const { field, format } = typeof settings === 'string' ? { field: settings, format: undefined } : settings;
    const problem = format === undefined ? undefined : checkTimeFormat(format);
    if (problem !== undefined) {
      context.fail(['format'], problem);
      return undefined;
    }
    return {
      apply(event) {
        const value = getField(event.fields, field);
        if (value === undefined) throw new StepError(`there is no field ${field}`);
        const timeMs =
          format === undefined ? parseTime(value, event.timestampMs) : parseTimeAs(format, value, event.timestampMs);
        if (timeMs === undefined)
          throw new StepError(`${field} is not a time${format === undefined ? '' : ` of the format ${format}`}`);
        event.timestampMs = timeMs;
        return 'keep';
      },
    };
  },
});
