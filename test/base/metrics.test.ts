// The page that Prometheus reads, and histograms.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Histogram } from '../../base/histogram.ts';
import { metricTable, MetricsPage } from '../../base/metrics.ts';

it('is in the order of the table, with help and type once, and labels escaped', () => {
  const page = new MetricsPage();
  page.add('process_heap_bytes', {}, 12);
  page.add('tailrace_agent_bytes_total', { agent: 'a "quoted" \\ name\n' }, 5);
  page.add('tailrace_agent_bytes_total', { agent: 'b' }, 1e21);
  expect(page.render()).toMatchInlineSnapshot(`
    "# HELP tailrace_agent_bytes_total Bytes of the lines that an agent has committed, newlines included.
    # TYPE tailrace_agent_bytes_total counter
    tailrace_agent_bytes_total{agent="a \\"quoted\\" \\\\ name\\n"} 5
    tailrace_agent_bytes_total{agent="b"} 1e+21
    # HELP process_heap_bytes JavaScript heap in use.
    # TYPE process_heap_bytes gauge
    process_heap_bytes 12
    "
  `);
});

it('has names and help that Prometheus takes', () => {
  for (const [name, { kind, help, labels }] of Object.entries(metricTable)) {
    expect(name).toMatch(/^[a-z][a-z0-9_]*$/);
    expect(help).toMatch(/^[A-Z0-9][^\n\\]*\.$/);
    for (const label of labels) expect(label).toMatch(/^[a-z][a-z0-9_]*$/);
    expect(name.endsWith('_total')).toBe(kind === 'counter');
  }
});

it('counts every observation in the buckets at and above it', () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0, max: 20, noNaN: true })), (values) => {
      const bounds = [0.5, 1, 10];
      const histogram = new Histogram(bounds);
      for (const value of values) histogram.observe(value);
      const page = new MetricsPage();
      page.addHistogram('tailrace_log_sync_seconds', histogram);
      const lines = page.render().split('\n').slice(2, -1);
      const upTo = (bound: number) => values.filter((value) => value <= bound).length;
      expect(lines.slice(0, 4)).toEqual([
        ...bounds.map((bound) => `tailrace_log_sync_seconds_bucket{le="${bound}"} ${upTo(bound)}`),
        `tailrace_log_sync_seconds_bucket{le="+Inf"} ${values.length}`,
      ]);
      expect(lines[5]).toBe(`tailrace_log_sync_seconds_count ${values.length}`);
      expect(Number(lines[4]!.split(' ')[1])).toBeCloseTo(values.reduce((sum, value) => sum + value, 0));
    }),
  );
});
