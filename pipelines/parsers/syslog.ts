// syslog, both kinds, told apart by the version after the priority:
//   RFC 5424  <165>1 2026-11-22T10:00:00.003Z host app 1234 ID47 [sd@1 name="value"] message
//   RFC 3164  <34>Nov 22 10:00:00 host app[1234]: message         also without <34>, and with an RFC 3339 time, as files under /var/log have it
// Fields: facility and severity by name, timestamp, hostname, appname, procid, msgid, structured_data (a map of maps), message. What is "-" or not there
// is absent. The record's time is the message's; a time without a year is taken nearest to when the line was read, in UTC.
import { define } from '../steps/fields.ts';
import { type Fields, StepError } from '../steps/step.ts';
import { parseTime, parseTimeAs } from '../time-format.ts';
import type { Parsed } from './parser.ts';

const facilities = [
  ...['kern', 'user', 'mail', 'daemon', 'auth', 'syslog', 'lpr', 'news', 'uucp', 'cron', 'authpriv', 'ftp', 'ntp'],
  ...['audit', 'alert', 'clock', 'local0', 'local1', 'local2', 'local3', 'local4', 'local5', 'local6', 'local7'],
];
const severities = ['emerg', 'alert', 'crit', 'err', 'warning', 'notice', 'info', 'debug'];

const priority = /^<(\d{1,3})>/;
const header5424 = /^1 (\S+) (\S+) (\S+) (\S+) (\S+) /;
const time3164 = /^(?:([A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2})|(\d{4}-\d{2}-\d{2}T\S+)) /;
const tag3164 = /^([^\s:[\]]{1,128})(?:\[([^\]\s]{1,128})\])?: ?/;

/** Throws StepError when the text is neither. */
export function parseSyslog(text: string, nearMs: number): Parsed {
  const fields: Fields = {};
  const [whole = '', code] = priority.exec(text) ?? [];
  if (code !== undefined) {
    const value = Number(code);
    if (value > 191) throw new StepError(`has the syslog priority ${value}; the greatest is 191`);
    fields['facility'] = facilities[value >> 3];
    fields['severity'] = severities[value & 7];
  }
  const rest = text.slice(whole.length);
  if (code !== undefined && rest.startsWith('1 ')) return parse5424(rest, fields);
  return parse3164(rest, fields, nearMs);
}

function parse5424(text: string, fields: Fields): Parsed {
  const match = header5424.exec(text);
  if (match === null) throw new StepError('is not syslog: its RFC 5424 header is cut short');
  const [whole, time, ...names] = match;
  const timeMs = time === '-' ? undefined : parseTimeAs('iso', time, 0);
  if (time !== '-' && timeMs === undefined) throw new StepError('is not syslog: its RFC 5424 time is none');
  if (time !== '-') fields['timestamp'] = time;
  for (const [index, name] of (['hostname', 'appname', 'procid', 'msgid'] as const).entries())
    if (names[index] !== '-') fields[name] = names[index];
  const position = readStructuredData(text, whole.length, fields);
  if (position < text.length) fields['message'] = text.slice(position + 1).replace(/^\uFEFF/, '');
  return { fields, timeMs };
}

/** The position behind it. */
function readStructuredData(text: string, start: number, fields: Fields): number {
  if (text[start] === '-' && (start + 1 === text.length || text[start + 1] === ' ')) return start + 1;
  const all: Fields = {};
  let position = start;
  while (text[position] === '[') {
    const [id, end] = readName(text, position + 1);
    const element: Fields = {};
    position = end;
    while (text[position] === ' ') {
      const [name, equals] = readName(text, position + 1);
      if (text[equals] !== '=' || text[equals + 1] !== '"') throw new StepError(brokenData);
      const [value, after] = readQuoted(text, equals + 2);
      define(element, name, value);
      position = after;
    }
    if (text[position] !== ']') throw new StepError(brokenData);
    define(all, id, element);
    position++;
  }
  if (position === start || (position < text.length && text[position] !== ' ')) throw new StepError(brokenData);
  fields['structured_data'] = all;
  return position;
}

const brokenData = 'is not syslog: its structured data is broken';

function readName(text: string, start: number): [string, number] {
  let end = start;
  while (end < text.length && !' =]"'.includes(text[end]!)) end++;
  if (end === start) throw new StepError(brokenData);
  return [text.slice(start, end), end];
}

/** A value up to its closing quote; \" \\ and \] stand for the second character. */
function readQuoted(text: string, start: number): [string, number] {
  let value = '';
  let copied = start;
  for (let position = start; position < text.length; position++) {
    if (text[position] === '"') return [value + text.slice(copied, position), position + 1];
    if (text[position] !== '\\' || !'"\\]'.includes(text[position + 1] ?? ' ')) continue;
    value += text.slice(copied, position);
    copied = ++position;
  }
  throw new StepError(brokenData);
}

function parse3164(text: string, fields: Fields, nearMs: number): Parsed {
  const match = time3164.exec(text);
  const time = match?.[1] ?? match?.[2];
  const timeMs = time === undefined ? undefined : parseTime(time, nearMs);
  if (match === null || timeMs === undefined)
    throw new StepError('is not syslog: there is no time where one should be');
  fields['timestamp'] = time;
  let rest = text.slice(match[0].length);
  if (!tag3164.test(rest)) {
    const blank = rest.indexOf(' ');
    fields['hostname'] = blank < 0 ? rest : rest.slice(0, blank);
    rest = blank < 0 ? '' : rest.slice(blank + 1);
  }
  const tag = tag3164.exec(rest);
  if (tag !== null) {
    fields['appname'] = tag[1];
    if (tag[2] !== undefined) fields['procid'] = tag[2];
    rest = rest.slice(tag[0].length);
  }
  fields['message'] = rest;
  return { fields, timeMs };
}
