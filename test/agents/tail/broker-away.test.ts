// A broker that is away while logs are rotated: what only an open handle leads to is read again, and committed, when it is back.
import { rmSync } from 'node:fs';
import { it } from 'vitest';
import { TailraceError } from '../../../base/errors.ts';
import { until } from '../support/tail-bench.ts';
import { arrived, countingLooks, move, write } from '../support/tail-logs.ts';
import { bench, cluster, useTailWorld } from '../support/tail-world.ts';

useTailWorld();

/** The broker is away from now on. Returns how often that was noticed. */
function goAway(): () => number {
  let failures = 0;
  cluster.onCommit = () => {
    failures++;
    return 'fail-before';
  };
  return () => failures;
}

it('reads a file to its end that is deleted while the broker is away', async () => {
  const lines = write('a', 0, 3);
  await bench.start(cluster.client(), { paths: ['a/app.log'] });
  await arrived(lines);
  const failures = goAway();
  lines.push(...write('a', 3, 6));
  await until(() => failures() > 0);
  lines.push(...write('a', 6, 9));
  rmSync(bench.path('a/app.log'));
  await until(() => failures() > 2);
  cluster.onCommit = undefined;
  await arrived(lines);
});

it.each([
  ['renamed', 'beginning'],
  ['deleted', 'beginning'],
  ['renamed', 'end'],
  ['deleted', 'end'],
])('reads a new log that is %s before anything of it could be committed, from: %s', async (fate, from) => {
  const old = write('b', 0, 3);
  await bench.start(cluster.client(), { paths: ['*/app.log'], from });
  await until(() => cluster.commits > 0);
  const lines = [...(from === 'end' ? [] : old), ...write('b', 3, 6)];
  await arrived(lines);
  const failures = goAway();
  lines.push(...write('a', 0, 3));
  await until(() => failures() > 0);
  if (fate === 'deleted') rmSync(bench.path('a/app.log'));
  else move('a/app.log', 'a/app.log.1');
  lines.push(...write('a', 3, 6));
  await until(() => failures() > 2);
  cluster.onCommit = undefined;
  await arrived(lines);
});

it.each(['renamed', 'left alone'])(
  'begins where the ends were at the first look, with a log that is %s before a commit succeeds',
  async (fate) => {
    write('a', 0, 3);
    const failures = goAway();
    await bench.start(cluster.client(), { paths: ['*/app.log'], from: 'end' });
    await until(() => failures() > 0);
    const lines = write('a', 3, 6);
    if (fate === 'renamed') {
      // Only what is open is found again: the agent has seen that there is more.
      const seen = failures();
      await until(() => failures() > seen + 2);
      move('a/app.log', 'a/app.log.1');
      lines.push(...write('a', 6, 9));
    }
    lines.push(...write('b', 0, 3));
    const before = failures();
    await until(() => failures() > before + 2);
    cluster.onCommit = undefined;
    await arrived(lines);
  },
);

it('keeps a deleted file open until what was read of it is committed', async () => {
  const log = bench.path('a/app.log');
  const lines = write('a', 0, 3);
  const client = cluster.client();
  const producer = client.producer.bind(client);
  let pending: PromiseWithResolvers<void> | undefined;
  let begun = 0;
  client.producer = (options) => {
    const made = producer(options);
    const begin = made.begin.bind(made);
    made.begin = () => {
      const transaction = begin();
      const commit = transaction.commit.bind(transaction);
      transaction.commit = async () => {
        if (pending === undefined) return commit();
        begun++;
        await pending.promise;
        throw new TailraceError('TLR_UNREACHABLE', 'the answer is not to be had', { retriable: true });
      };
      return transaction;
    };
    return made;
  };
  const { files, looks } = countingLooks(log);
  await bench.start(client, { paths: ['a/app.log'] }, { files });
  await arrived(lines);
  pending = Promise.withResolvers();
  lines.push(...write('a', 3, 6));
  await until(() => begun > 0);
  rmSync(log);
  // By the agent's clock, which is in a hurry, much longer than it waits for late lines.
  const needed = looks() + 100;
  await until(() => looks() > needed);
  const { resolve } = pending;
  pending = undefined;
  resolve();
  await arrived(lines);
});
