// Generations that have their number before the ending, as Java's loggers and logrotate's `extension` write it; so do workers with logs of their own.
import { mkdirSync, statSync, utimesSync } from 'node:fs';
import { dirname } from 'node:path';
import { describe, it } from 'vitest';
import type { FileStat } from '../../../base/files.ts';
import { arrived, move, pack, withStats, write } from '../support/tail-logs.ts';
import { until } from '../support/tail-bench.ts';
import { bench, cluster, useTailWorld } from '../support/tail-world.ts';

useTailWorld();

describe('generations that have their number before the ending', () => {
  const generations: Record<string, (number: number) => string> = {
    'logback, log4j': (number) => `a/app-${number}.log`,
    'logrotate with `extension .log`': (number) => `a/app.${number}.log`,
  };
  const styles = Object.keys(generations).flatMap((style) => [
    { style, isPacked: false },
    { style, isPacked: true },
  ]);

  it.each(styles)('$style, packed: $isPacked, are read when they were made while no agent ran', async (each) => {
    const name = generations[each.style]!;
    const rotate = (number: number) => {
      move('a/app.log', name(number));
      if (each.isPacked) pack(name(number));
    };
    const paths = ['a/app.log'];
    const lines = write('a', 0, 3);
    await bench.once(cluster.client(), { paths });
    for (const number of [1, 2, 3]) {
      lines.push(...write('a', number * 3, number * 3 + 3));
      rotate(number);
    }
    lines.push(...write('a', 12, 15));
    await bench.start(cluster.client(), { paths });
    await arrived(lines);
  });

  it.each(['a/app-1.log', 'a/archive/app.log-20261122'])(
    'come once that are small and packed as %s.gz at once, before the agent looks again',
    async (aside) => {
      const paths = ['**/app*'];
      await bench.start(cluster.client(), { paths });
      const lines = write('a', 0, 2);
      await arrived(lines);
      mkdirSync(dirname(bench.path(aside)), { recursive: true });
      move('a/app.log', aside);
      pack(aside);
      lines.push(...write('a', 2, 4));
      await arrived(lines);
      // The agent lets go of the log that was packed.
      const isOver = () =>
        cluster
          .records('__tailrace_positions')
          .some(({ value }) => value?.includes('"gone"') === true || value?.includes('"packing"') === true);
      await until(isOver);
      await bench.once(cluster.client(), { paths });
      await arrived(lines);
    },
  );

  it('are not what the workers beside the log write', async () => {
    const paths = ['a/app.log'];
    write('a', 0, 3, 'app-1.log');
    const lines = write('a', 0, 3);
    await bench.once(cluster.client(), { paths });
    // That of one worker was there before; is rotated itself; came with its worker, and is written to.
    write('a', 3, 6, 'app-2.log');
    move('a/app-2.log', 'a/app-2.log.1');
    write('a', 6, 9, 'app-2.log');
    write('a', 0, 3, 'app-3.log');
    lines.push(...write('a', 3, 6));
    move('a/app.log', 'a/app.log.1');
    lines.push(...write('a', 6, 9));
    write('a', 3, 6, 'app-3.log');
    for (const name of ['app-2.log', 'app-3.log']) inAWhile(`a/${name}`);
    const files = withStats((stat, path) => (path === bench.path('a/app-1.log') ? older(stat) : stat));
    await bench.start(cluster.client(), { paths }, { files });
    await arrived(lines);
  });
});

/** Made an hour earlier. */
const older = ({ born, ...stat }: FileStat): FileStat =>
  born === undefined ? stat : { ...stat, born: (BigInt(born) - 3_600_000_000_000n).toString() };

/** As if it had been written to half a second later. */
function inAWhile(name: string): void {
  const { mtimeMs } = statSync(bench.path(name));
  utimesSync(bench.path(name), mtimeMs / 1_000 + 0.5, mtimeMs / 1_000 + 0.5);
}

describe('the first line of a log', () => {
  const asides = ['a/app-1.log', 'a/app.1.log', 'a/app.log.1', 'a/2026-11/app-1.log', 'a/2026-11/app.log.1'];
  it.each(asides.flatMap((aside) => ['now', 'before'].map((when) => ({ aside, when }))))(
    'comes once that was all of it when the agent was killed, though it was written on and packed as $aside since ($when)',
    async ({ aside, when }) => {
      const paths = ['a/app*', 'a/*/app*'];
      const lines = write('a', 0, 1);
      await bench.once(cluster.client(), { paths });
      lines.push(...write('a', 1, 300));
      mkdirSync(dirname(bench.path(aside)), { recursive: true });
      move('a/app.log', aside);
      pack(aside);
      const minuteAgo = Date.now() / 1_000 - 60;
      if (when === 'before') utimesSync(bench.path(`${aside}.gz`), minuteAgo, minuteAgo);
      lines.push(...write('a', 300, 301));
      await bench.start(cluster.client(), { paths });
      await arrived(lines);
    },
  );
});
