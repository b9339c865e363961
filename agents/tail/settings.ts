// What can be said about a tail agent in the YAML, and what a `tail://` URL stands for.
import { z } from 'zod';
import { messageOf } from '../../base/errors.ts';
import { homePathProblem } from '../../base/home-path.ts';
import { compilePattern } from '../../base/regex.ts';
import { asDurationMs, asSizeBytes } from '../../base/unit-settings.ts';
import { compileGlob } from './glob.ts';

const size = (defaultText: string) => z.string().default(defaultText).transform(asSizeBytes('1MiB'));
const duration = (defaultText: string) => z.string().default(defaultText).transform(asDurationMs('250ms'));

const pattern = z
  .string()
  .min(1)
  .superRefine((text, context) => {
    const message = homePathProblem(text) ?? urlProblem(text);
    if (message !== undefined) context.addIssue({ code: 'custom', message });
  })
  .refine(
    (text) => {
      try {
        return compileGlob(text).length > 0;
      } catch {
        return false;
      }
    },
    { message: 'not a path pattern; see "Path patterns" in the documentation' },
  );

/** A URL where a path is expected, or one that does not begin at the root: whether a folder or a host was meant is not known. */
function urlProblem(text: string): string | undefined {
  const [, scheme = '', rest = ''] = /^(tail|file):\/\/(.*)$/su.exec(text) ?? [];
  if (scheme === '') return undefined;
  if (rest.startsWith('/')) return `"${text}" is a URL; a path is expected: ${rest}`;
  return `"${text}" names no path: write tail:///${rest} from the root, or tail:${rest} from the folder that Tailrace is started in`;
}

const expression = z.string().superRefine((source, context) => {
  try {
    compilePattern(source);
  } catch (error) {
    context.addIssue({ code: 'custom', message: messageOf(error) });
  }
});

const multiline = z
  .strictObject({
    starts_with: expression.optional().describe('Regular expression found in the first line of each event'),
    continues_with: expression.optional().describe('Regular expression found in the lines that go on with an event'),
    timeout: duration('2s').describe('An event is complete when the file has not changed for so long'),
    max_lines: z.int().min(1).default(1000).describe('A longer event is cut'),
    max_bytes: size('1MiB').describe('A larger event is cut; so is one that the topic cannot hold'),
  })
  .refine((rule) => (rule.starts_with === undefined) !== (rule.continues_with === undefined), {
    message: 'multiline needs one of starts_with and continues_with',
  });

export const tailSettings = z.strictObject({
  paths: z
    .array(pattern)
    .min(1)
    .describe('Files to read: paths with *, ?, [a-z], {a,b} and ** for any number of folders'),
  exclude: z.array(pattern).default([]).describe('Files not to read: by name, or by path when there is a / in it'),
  from: z
    .enum(['beginning', 'end'])
    .default('beginning')
    .describe(
      'Where files begin that are there at the very first start; files that come later are read from their beginning',
    ),
  key: z
    .string()
    .min(1)
    .optional()
    .describe(
      'Field of JSON lines that is their record key and chooses the partition, as Kafka clients do: lines of one key keep their order. Without it, and for lines without it, the file chooses',
    ),
  max_line: size('1MiB').describe('Longer lines are handled by long_line'),
  long_line: z
    .enum(['keep', 'split', 'truncate', 'drop'])
    .default('keep')
    .describe(
      'keep: all bytes, marked, in several records when one cannot hold them · split: pieces of max_line · truncate · drop',
    ),
  multiline: multiline.optional().describe('Joins lines to events, such as stack traces: each is one record'),
  rescan: duration('250ms').describe(
    'How often folders and files are looked at, even when nobody says that they changed',
  ),
  flush: z
    .strictObject({ size: size('8MB'), wait: duration('100ms') })
    .prefault({})
    .describe('One transaction takes what was read in this time, or this many bytes'),
});

export type TailSettings = z.infer<typeof tailSettings>;

/** `tail:///var/log/x*.log`, and `tail:logs/*.log` relative to the working directory. */
export function tailSettingsFromUrl(url: string): Record<string, unknown> | undefined {
  if (!url.startsWith('tail:')) return undefined;
  const rest = url.slice('tail:'.length);
  const isClear = /^\/\/[/.~]/.test(rest);
  return { paths: [isClear ? rest.slice(2) : rest.startsWith('//') ? url : rest] };
}
