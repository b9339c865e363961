// Outages: said once when they begin, rarely while they last, once when they end, with numbers; other edges do not notice, nothing is lost.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { TailraceError } from '../../../base/errors.ts';
import { OutageReport } from '../../../base/outage.ts';
import type { PipelineRunner } from '../../../pipelines/runner.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { numbered, pipeline, PipelineWorld, sinkPlan } from '../../support/pipeline-world.ts';
import { recordingLogger } from '../../support/recording-logger.ts';

const refused = (attempt: number) =>
  new TailraceError('TLR_SINK', `connection refused by 10.0.0.1:9200, attempt ${attempt}`, { retriable: true });
const forbidden = new TailraceError('TLR_SINK', 'the store answers 403: no right to write');

describe('the report', () => {
  it('is short for an hour of trouble, and has the numbers at its end', () => {
    const clock = new ManualClock();
    const logger = recordingLogger();
    const report = new OutageReport('edge', { edge: 'web.es' }, clock, logger);
    let attempts = 0;
    while (clock.monotonicMs() < 3_600_000) {
      report.failed(refused(++attempts));
      clock.pass(10_000);
    }
    expect(report.status()).toEqual({ seconds: 3600, needsSomebody: false, outages: 1, retries: 360 });
    expect(logger.lines.map(({ level, fields }) => [level, fields['afterSeconds']])).toEqual([
      ['warn', undefined],
      ...[60, 180, 420, 900, 1860].map((seconds) => ['warn', seconds]),
    ]);
    report.ended(1234);
    expect(logger.lines.at(-1)).toEqual({
      level: 'info',
      message: 'the edge goes on',
      fields: { edge: 'web.es', afterSeconds: 3600, retries: 360, waiting: 1234 },
    });
    expect(report.status()).toEqual({ seconds: 0, needsSomebody: false, outages: 1, retries: 360 });
    report.ended(5);
    expect(logger.lines).toHaveLength(7);
  });

  it('raises an alarm when somebody must act, and tells new kinds of problems, but not without end', () => {
    const clock = new ManualClock();
    const logger = recordingLogger();
    const report = new OutageReport('edge', { edge: 'web.es' }, clock, logger);
    report.failed(refused(1));
    report.failed(forbidden);
    report.failed(forbidden);
    expect(logger.lines.map(({ level }) => level)).toEqual(['warn', 'error']);
    expect(logger.lines[1]!.fields['problem']).toContain('403');
    expect(report.status().needsSomebody).toBe(true);
    report.failed(refused(2));
    expect(report.status().needsSomebody).toBe(false);
    for (const letter of 'abcdefghijkl')
      report.failed(new TailraceError('TLR_SINK', `${letter}${letter}`, { retriable: true }));
    expect(logger.lines.length).toBeLessThanOrEqual(6);
  });
});

describe('an edge', () => {
  let world: PipelineWorld;
  let runner: PipelineRunner;
  beforeEach(async () => {
    world = await PipelineWorld.open();
    await world.createTopic('app');
  });
  afterEach(async () => {
    await runner.stop(1000);
    await world.close();
  });

  it.each([
    ['a store that is away', refused(1), 'warn', false],
    ['missing rights', forbidden, 'error', true],
  ] as const)('waits out %s, and goes on by itself', async (_what, trouble, level, stuck) => {
    await world.write('app', numbered(50));
    const delivered: string[] = [];
    let away = true;
    let calls = 0;
    const sink = sinkPlan('send', () =>
      Promise.resolve({
        guarantee: 'idempotent',
        fieldPaths: [],
        deliver: (batch) => {
          calls++;
          if (away) return Promise.reject(trouble);
          batch.forEach(({ buffer, start, end }) => delivered.push(buffer.toString('utf8', start, end)));
          return Promise.resolve(undefined);
        },
        close: () => Promise.resolve(),
      }),
    );
    const logger = recordingLogger();
    runner = world.runner([pipeline('app', sink)], { logger });
    await runner.start();
    await vi.waitUntil(() => calls >= 3, { timeout: 10_000 });
    await world.write('app', numbered(50, 50));
    const edge = () => runner.status()[0]!;
    expect(edge()).toMatchObject({ state: 'paused', outage: { needsSomebody: stuck, outages: 1 } });
    expect(edge().outage.retries).toBeGreaterThanOrEqual(2);
    const told = () => logger.lines.filter(({ message }) => message.startsWith('the edge'));
    expect(told().map((line) => line.level)).toEqual([level]);
    away = false;
    await vi.waitUntil(() => edge().state === 'running', { timeout: 10_000 });
    expect(delivered).toEqual(numbered(100));
    expect(told()).toHaveLength(2);
    const { fields, message } = told()[1]!;
    expect(message).toBe('the edge goes on');
    // Offsets: two markers of transactions among them.
    expect(Number(fields['waiting'])).toBeGreaterThanOrEqual(100);
    expect(Number(fields['waiting'])).toBeLessThanOrEqual(102);
    expect(fields['retries']).toBe(edge().outage.retries);
    expect(edge().outage.seconds).toBe(0);
  });
});
