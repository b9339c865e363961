// The intake by itself: what becomes of a failure.
import { setImmediate } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { Account } from '../../../agents/http/account.ts';
import { Intake } from '../../../agents/http/intake.ts';
import { systemClock } from '../../../base/clock.ts';
import { silentLogger } from '../../../base/logger.ts';
import { nodeFiles } from '../../../base/node-files.ts';
import { systemRandom } from '../../../base/random.ts';
import { FakeCluster } from '../support/fake-cluster.ts';

it('tells who waits when a commit fails, though nobody has asked for its end yet', async () => {
  const cluster = new FakeCluster();
  cluster.createTopic('lines');
  const common = { files: nodeFiles, clock: systemClock, random: systemRandom, logger: silentLogger };
  const intake = new Intake({
    context: { name: 'push', instance: 'one', host: 'here', client: cluster.client(), ...common },
    ...{ topics: new Set(['lines']), account: new Account(), keepKeysMs: 1_000, doubtful: undefined },
    onCommitted: () => undefined,
  });
  await intake.open();
  cluster.onCommit = () => 'fail-before';
  const submit = (line: string) => {
    const source = Buffer.from(line);
    return intake.submit({ parts: [{ topic: 'lines', source, spans: [0, source.length] }] });
  };
  // Nobody knows whether it is stored: the next intake finds out.
  submit('one').catch(() => undefined);
  const second = submit('two');
  await expect(second).rejects.toMatchObject({ status: 503 });
  // Node looks for rejections that nobody handles.
  await setImmediate();
  await expect(intake.run()).rejects.toThrow();
  await intake.close();
});
