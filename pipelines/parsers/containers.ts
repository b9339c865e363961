// What container runtimes put around a line. The inner line becomes `message`, for the next step to parse; the record's time is the runtime's.
//   cri     2026-11-22T10:00:00.123456789Z stdout F the line      (containerd, CRI-O: Kubernetes) → time, stream, message
//   docker  {"log":"the line\n","stream":"stdout","time":"2026-11-22T10:00:00.123456789Z"}         → the same, and attrs where there are
// A piece of a line that was too long for the runtime (cri: P instead of F; docker: no newline at the end) has `partial: true`.
import { type Fields, StepError } from '../steps/step.ts';
import { parseTimeAs } from '../time-format.ts';
import type { Parsed } from './parser.ts';

const criLine = /^(\S+) (stdout|stderr) ([^\s:]+)(?::\S*)?(?: (.*))?$/s;

export function parseCri(text: string): Parsed {
  const [, time, stream, tag, message = ''] = criLine.exec(text) ?? [];
  const timeMs = parseTimeAs('iso', time, 0);
  if (timeMs === undefined || (tag !== 'F' && tag !== 'P')) throw new StepError('is not a line of the CRI log format');
  const fields: Fields = { time, stream, message };
  if (tag === 'P') fields['partial'] = true;
  return { fields, timeMs };
}

export function parseDocker(text: string): Parsed {
  const { log, stream, time, attrs } = readObject(text);
  const timeMs = parseTimeAs('iso', time, 0);
  if (typeof log !== 'string' || timeMs === undefined) throw new StepError("is not a line of Docker's json-file log");
  const isWhole = log.endsWith('\n');
  const fields: Fields = { time, stream, message: isWhole ? log.slice(0, log.endsWith('\r\n') ? -2 : -1) : log };
  if (attrs !== undefined) fields['attrs'] = attrs;
  if (!isWhole) fields['partial'] = true;
  return { fields, timeMs };
}

function readObject(text: string): Fields {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Fields) : {};
  } catch {
    return {};
  }
}
