// The same loop over sockets, as on an external cluster: static members, and a restart that takes its own place again.
import { expect, it } from 'vitest';
import { numbered, pipeline, PipelineWorld } from '../../support/pipeline-world.ts';

it('delivers over a socket, and goes on after a kill without waiting for the old session', async () => {
  const world = await PipelineWorld.open({ socket: true });
  try {
    await world.createTopic('app', 2);
    await world.write('app', numbered(500));
    await world.write('app', numbered(500, 500), { partition: 1 });
    const plan = pipeline('app', world.fileSink('{partition}-{offset}', { roll: { idle: '20ms' } }));
    const client = world.socketClient();
    const first = world.runner([plan], { client });
    await first.start();
    await first.drain();
    await client.close();
    first.kill();
    await world.write('app', numbered(100, 1000));
    const next = world.socketClient();
    const second = world.runner([plan], { client: next });
    await second.start();
    await second.drain();
    expect(await world.lines()).toHaveLength(1100);
    expect(new Set(await world.lines()).size).toBe(1100);
    expect(second.accounts()[0]!.account).toMatchObject({ in: 1100, out: 1100 });
    await second.stop(1000);
    await next.close();
  } finally {
    await world.close();
  }
});
