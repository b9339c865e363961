// The settings that all sinks of rolled files share: when a file is complete, and how it is compressed.
import { z } from 'zod';
import { durationSetting, sizeSetting } from '../definition.ts';
import { messageOf } from '../../base/errors.ts';

/** When what was written is to be published; sizes are those of the file, after compression. */
export interface RollLimits {
  sizeBytes: number;
  ageMs: number;
  idleMs: number;
}

/** When to publish what was written, whichever comes first. `size` is that of the file, after compression. */
export function rollSetting() {
  return z
    .strictObject({
      size: sizeSetting().optional().describe('Size of the file, after compression'),
      age: durationSetting().optional().describe('Time since the first record'),
      idle: durationSetting().optional().describe('Time since the last record'),
    })
    .prefault({})
    .describe('When to publish what was written, whichever comes first');
}

/** Undefined: what the file name says (.gz, .zst). */
export function compressionSetting() {
  return z.enum(['none', 'gzip', 'zstd']).optional().describe('What the file name says (.gz, .zst) unless set');
}

/** A path that `read` takes; what it throws becomes the message at the place of the setting. */
export function pathSetting(read: (text: string) => unknown) {
  return z.string().superRefine((text, context) => {
    try {
      read(text);
    } catch (error) {
      context.addIssue({ code: 'custom', message: messageOf(error) });
    }
  });
}

/** What is set, and for the rest what the sink says. */
export function rollLimits(
  roll: { size?: number | undefined; age?: number | undefined; idle?: number | undefined },
  otherwise: RollLimits,
): RollLimits {
  const { size = otherwise.sizeBytes, age = otherwise.ageMs, idle = otherwise.idleMs } = roll;
  return { sizeBytes: size, ageMs: age, idleMs: idle };
}
