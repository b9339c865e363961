// The combined access log of nginx (Apache's is the same): to fields under nginx's names.
//   127.0.0.1 - alice [22/Nov/2026:10:00:00 +0000] "GET /a?b=c HTTP/1.1" 200 12 "https://from/" "curl/8"
//   remote_addr, remote_user, time_local, method, path, protocol, status, body_bytes_sent, http_referer, http_user_agent
// (remote_logname too, where Apache's %l is set). A "-" is no value: the field is absent. A request that is none (a scanner's bytes) is in `request` as it stands. The common format, without
// the last two, is taken too; what formats of one's own add at the end is in `rest`.
import { compilePattern } from '../../base/regex.ts';
import type { Fields } from '../steps/step.ts';
import { parseTimeAs } from '../time-format.ts';

const quoted = '"([^"\\\\]*(?:\\\\.[^"\\\\]*)*)"';
const line = compilePattern(
  `^(\\S+) (\\S+) ([^\\[]*\\S) \\[([^\\]]+)\\] ${quoted} (\\d{3}) (\\d+|-)(?: ${quoted} ${quoted})?(?:\\s+(.*))?$`,
);
const request = /^([A-Za-z-]+) (\S.*?)(?: (HTTP\/\d(?:\.\d)?))?$/;
const timeFormat = '%d/%b/%Y:%H:%M:%S %z';

/** Undefined when the line is not of this form. `timeMs` is undefined when its time is none. */
export function parseAccessLog(text: string): { fields: Fields; timeMs: number | undefined } | undefined {
  const match = line.match(text);
  if (match === undefined) return undefined;
  const [, address, logname, user, time, requestText, status, bytes, referer, agent, rest] = match;
  const fields: Fields = { remote_addr: address };
  if (logname !== '-') fields['remote_logname'] = logname;
  if (user !== '-') fields['remote_user'] = user;
  fields['time_local'] = time;
  setRequest(fields, requestText!);
  fields['status'] = Number(status);
  if (bytes !== '-') fields['body_bytes_sent'] = Number(bytes);
  if (referer !== undefined && referer !== '-') fields['http_referer'] = referer;
  if (agent !== undefined && agent !== '-') fields['http_user_agent'] = agent;
  if (rest !== undefined && rest !== '') fields['rest'] = rest;
  return { fields, timeMs: parseTime(time!) };
}

/** The text that was parsed last, and its time: many requests come within a second. */
let lastTime = { text: '', timeMs: undefined as number | undefined };

function parseTime(text: string): number | undefined {
  if (lastTime.text !== text) lastTime = { text, timeMs: parseTimeAs(timeFormat, text, 0) };
  return lastTime.timeMs;
}

function setRequest(fields: Fields, text: string): void {
  const match = request.exec(text);
  if (match === null) {
    if (text !== '-') fields['request'] = text;
    return;
  }
  fields['method'] = match[1];
  fields['path'] = match[2];
  if (match[3] !== undefined) fields['protocol'] = match[3];
}
