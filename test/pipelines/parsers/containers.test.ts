import { describe, expect, it } from 'vitest';
import { parseCri, parseDocker } from '../../../pipelines/parsers/containers.ts';
import { compile, runLine, TestEvent, through } from '../../support/planning.ts';

const time = '2026-11-22T10:00:00.123456789Z';
const timeMs = Date.UTC(2026, 10, 22, 10, 0, 0, 123);

describe('cri', () => {
  it.each([
    [`${time} stdout F the line`, { time, stream: 'stdout', message: 'the line' }],
    [`${time} stderr P half a`, { time, stream: 'stderr', message: 'half a', partial: true }],
    [`${time} stdout F `, { time, stream: 'stdout', message: '' }],
    [`${time} stdout F`, { time, stream: 'stdout', message: '' }],
    [`${time} stdout F:more tags`, { time, stream: 'stdout', message: 'tags' }],
  ])('%s', (line, fields) => {
    expect(parseCri(line)).toEqual({ fields, timeMs });
  });

  it.each(['plain', `${time} stdin F x`, `${time} stdout X x`, 'soon stdout F x'])('refuses %s', (line) => {
    expect(() => parseCri(line)).toThrow('is not a line of the CRI log format');
  });

  it('lets the next step parse the line inside', async () => {
    const event = new TestEvent(`${time} stdout F {"a":1}`, 0);
    expect(runLine(await compile('- parse: cri\n- parse: json\n- remove: time'), event)).toBe(
      '{"stream":"stdout","a":1}',
    );
    expect(event.timestampMs).toBe(timeMs);
  });
});

describe('docker', () => {
  it.each([
    [
      { log: 'the line\n', stream: 'stdout', time },
      { time, stream: 'stdout', message: 'the line' },
    ],
    [
      { log: 'windows\r\n', stream: 'stdout', time },
      { time, stream: 'stdout', message: 'windows' },
    ],
    [
      { log: 'half', stream: 'stderr', time, attrs: { tag: 'x' } },
      { time, stream: 'stderr', message: 'half', attrs: { tag: 'x' }, partial: true },
    ],
  ])('%j', (line, fields) => {
    expect(parseDocker(JSON.stringify(line))).toEqual({ fields, timeMs });
  });

  it.each(['plain', '[]', 'null', '{"log":5,"time":"2026-11-22T10:00:00Z"}', '{"log":"x"}'])(
    'refuses %s',
    async (line) => {
      await expect(through('- parse: docker', line)).rejects.toThrow(
        "the line is not a line of Docker's json-file log",
      );
    },
  );
});
