import { describe, expect, it } from 'vitest';
import { parseAccessLog } from '../../../pipelines/parsers/access-log.ts';
import { through } from '../../support/planning.ts';

const time = '[22/Nov/2026:10:00:00 +0000]';

describe('combined access log', () => {
  it('names and types the fields, and takes the time', () => {
    const line = `127.0.0.1 - alice ${time} "GET /a?b=c%20d HTTP/1.1" 200 12 "https://from/" "Mozilla/5.0 (X11; Linux)"`;
    expect(parseAccessLog(line)).toEqual({
      timeMs: Date.UTC(2026, 10, 22, 10),
      fields: {
        remote_addr: '127.0.0.1',
        remote_user: 'alice',
        time_local: '22/Nov/2026:10:00:00 +0000',
        method: 'GET',
        path: '/a?b=c%20d',
        protocol: 'HTTP/1.1',
        status: 200,
        body_bytes_sent: 12,
        http_referer: 'https://from/',
        http_user_agent: 'Mozilla/5.0 (X11; Linux)',
      },
    });
  });

  it.each([
    [
      'absent values',
      `::1 - - ${time} "GET / HTTP/2.0" 304 - "-" "-"`,
      { method: 'GET', path: '/', protocol: 'HTTP/2.0', status: 304 },
    ],
    ['no request at all', `::1 - - ${time} "-" 400 0 "-" "-"`, { status: 400, body_bytes_sent: 0 }],
    [
      "a scanner's bytes",
      `::1 - - ${time} "\\x16\\x03\\x01" 400 0 "-" "-"`,
      { request: '\\x16\\x03\\x01', status: 400, body_bytes_sent: 0 },
    ],
    [
      'escaped quotes',
      `::1 - - ${time} "GET / HTTP/1.1" 200 1 "-" "a \\"b\\" c"`,
      {
        method: 'GET',
        path: '/',
        protocol: 'HTTP/1.1',
        status: 200,
        body_bytes_sent: 1,
        http_user_agent: 'a \\"b\\" c',
      },
    ],
    [
      'the common format',
      `::1 - - ${time} "POST /x HTTP/1.1" 201 5`,
      { method: 'POST', path: '/x', protocol: 'HTTP/1.1', status: 201, body_bytes_sent: 5 },
    ],
    [
      'more at the end',
      `::1 - - ${time} "GET / HTTP/1.1" 200 5 "-" "-" 0.003 "gzip"`,
      { method: 'GET', path: '/', protocol: 'HTTP/1.1', status: 200, body_bytes_sent: 5, rest: '0.003 "gzip"' },
    ],
    [
      'HTTP/0.9',
      `::1 - - ${time} "GET /old" 200 5 "-" "-"`,
      { method: 'GET', path: '/old', status: 200, body_bytes_sent: 5 },
    ],
  ])('%s', (_, line, fields) => {
    expect(parseAccessLog(line)?.fields).toEqual({
      remote_addr: '::1',
      time_local: '22/Nov/2026:10:00:00 +0000',
      ...fields,
    });
  });

  it.each(['', 'not a log line', `::1 - - ${time} GET / 200 5`, '::1 - - "GET / HTTP/1.1" 200 5'])(
    'is none: %s',
    (line) => {
      expect(parseAccessLog(line)).toBeUndefined();
    },
  );

  it('does not hang on hostile lines', () => {
    const start = performance.now();
    for (const line of [
      `::1 - ${'a '.repeat(100_000)}`,
      `::1 - - ${time} "${'\\"'.repeat(100_000)}`,
      '::1 - - ['.repeat(20_000),
    ])
      parseAccessLog(line);
    expect(performance.now() - start).toBeLessThan(2000);
  });
});

describe("Apache's two formats", () => {
  const common = `10.0.0.1 ident bob ${time} "GET / HTTP/1.1" 200 5`;
  const combined = `${common} "https://from/" "curl/8"`;

  it('are parsed to the same names as nginx’s', async () => {
    const shared = '"remote_addr":"10.0.0.1","remote_logname":"ident","remote_user":"bob"';
    const rest = '"method":"GET","path":"/","protocol":"HTTP/1.1","status":200,"body_bytes_sent":5';
    expect(await through('- parse: apache_common\n- remove: time_local', common)).toBe(`{${shared},${rest}}`);
    expect(await through('- parse: apache_combined\n- remove: time_local', combined)).toBe(
      `{${shared},${rest},"http_referer":"https://from/","http_user_agent":"curl/8"}`,
    );
  });

  it('are told apart', async () => {
    await expect(through('- parse: apache_common', combined)).rejects.toThrow('is not a line of the common access log');
    await expect(through('- parse: apache_combined', common)).rejects.toThrow(
      'is not a line of the combined access log',
    );
  });
});
