import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseSyslog } from '../../../pipelines/parsers/syslog.ts';
import { compile, runLine, TestEvent } from '../../support/planning.ts';

const nearMs = Date.UTC(2026, 10, 22, 12);

describe('RFC 5424', () => {
  it('gives all parts of a full message', () => {
    const line =
      '<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog 8710 ID47 [exampleSDID@32473 iut="3" eventSource="A \\"b\\" \\] \\x"][p@1] \uFEFFAn event';
    expect(parseSyslog(line, nearMs)).toEqual({
      timeMs: Date.UTC(2003, 9, 11, 22, 14, 15, 3),
      fields: {
        ...{ facility: 'local4', severity: 'notice', timestamp: '2003-10-11T22:14:15.003Z' },
        ...{ hostname: 'mymachine.example.com', appname: 'evntslog', procid: '8710', msgid: 'ID47' },
        structured_data: { 'exampleSDID@32473': { iut: '3', eventSource: 'A "b" ] \\x' }, 'p@1': {} },
        message: 'An event',
      },
    });
  });

  it('leaves out what is not there', () => {
    expect(parseSyslog('<34>1 - - - - - -', nearMs)).toEqual({
      timeMs: undefined,
      fields: { facility: 'auth', severity: 'crit' },
    });
    expect(parseSyslog('<34>1 - - su - - - - a dash', nearMs).fields).toMatchObject({
      appname: 'su',
      message: '- a dash',
    });
  });

  it.each([
    ['<34>1 2026-11-22T10:00:00Z host', 'header is cut short'],
    ['<34>1 yesterday host app 1 2 - x', 'RFC 5424 time is none'],
    ['<34>1 - - - - - [a b="c] x', 'structured data is broken'],
    ['<34>1 - - - - - [a b=c] x', 'structured data is broken'],
    ['<34>1 - - - - - [a]x', 'structured data is broken'],
    ['<34>1 - - - - - x', 'structured data is broken'],
    ['<192>1 - - - - - -', 'priority 192'],
  ])('%s: %s', (line, reason) => {
    expect(() => parseSyslog(line, nearMs)).toThrow(reason);
  });
});

describe('RFC 3164', () => {
  it.each([
    [
      "<34>Oct 11 22:14:15 mymachine su[230]: 'su root' failed",
      {
        facility: 'auth',
        severity: 'crit',
        timestamp: 'Oct 11 22:14:15',
        hostname: 'mymachine',
        appname: 'su',
        procid: '230',
        message: "'su root' failed",
      },
      Date.UTC(2026, 9, 11, 22, 14, 15),
    ],
    [
      'Nov  2 10:00:00 web1 kernel: [ 12.3] up',
      { timestamp: 'Nov  2 10:00:00', hostname: 'web1', appname: 'kernel', message: '[ 12.3] up' },
      Date.UTC(2026, 10, 2, 10),
    ],
    [
      '2026-11-22T10:00:00.123456+01:00 web1 app[7]: hello',
      {
        timestamp: '2026-11-22T10:00:00.123456+01:00',
        hostname: 'web1',
        appname: 'app',
        procid: '7',
        message: 'hello',
      },
      Date.UTC(2026, 10, 22, 9, 0, 0, 123),
    ],
    [
      '<13>Nov 22 10:00:00 app: no host',
      { facility: 'user', severity: 'notice', timestamp: 'Nov 22 10:00:00', appname: 'app', message: 'no host' },
      Date.UTC(2026, 10, 22, 10),
    ],
    [
      '<13>Nov 22 10:00:00 web1 just words',
      { facility: 'user', severity: 'notice', timestamp: 'Nov 22 10:00:00', hostname: 'web1', message: 'just words' },
      Date.UTC(2026, 10, 22, 10),
    ],
  ])('%s', (line, fields, timeMs) => {
    expect(parseSyslog(line, nearMs)).toEqual({ fields, timeMs });
  });

  it('takes the year that is nearest to the record', () => {
    expect(parseSyslog('Dec 31 23:59:59 h a: x', Date.UTC(2027, 0, 1)).timeMs).toBe(Date.UTC(2026, 11, 31, 23, 59, 59));
  });

  it('fails where there is no time', () => {
    expect(() => parseSyslog('plain words', nearMs)).toThrow('is not syslog: there is no time where one should be');
  });
});

describe('parse: syslog', () => {
  it("sets the record's time", async () => {
    const event = new TestEvent('<13>Nov 21 10:00:00 web1 app: hi', nearMs);
    expect(runLine(await compile('- parse: syslog\n- remove: timestamp'), event)).toBe(
      '{"facility":"user","severity":"notice","hostname":"web1","appname":"app","message":"hi"}',
    );
    expect(event.timestampMs).toBe(Date.UTC(2026, 10, 21, 10));
  });

  it('answers every text with fields or a reason', () => {
    const piece = fc.constantFrom(
      '<13>',
      '1 ',
      '- ',
      'Nov 22 10:00:00 ',
      'h ',
      'a[1]: ',
      '[x',
      ' y="',
      '"',
      ']',
      '\\',
      'z',
    );
    fc.assert(
      fc.property(fc.array(piece), (pieces) => {
        try {
          expect(parseSyslog(pieces.join(''), nearMs).fields).toBeTypeOf('object');
        } catch (error) {
          expect((error as Error).name).toBe('StepError');
        }
      }),
    );
  });
});
