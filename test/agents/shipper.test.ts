// The shipper on the real broker: what a flight sends.
import { expect, it } from 'vitest';
import { Shipper } from '../../agents/shipper.ts';
import { LineHeaders } from '../../agents/tail/line-headers.ts';
import { PipelineWorld } from '../support/pipeline-world.ts';

it('sends no batch for lines that none of which was plain enough, and what comes later in the next flight', async () => {
  const world = await PipelineWorld.open();
  await world.createTopic('lines');
  await world.createTopic('positions');
  const shipper = new Shipper(world.client, {
    ...{ transactionalId: 'agent', topic: 'lines', batchBytes: 100_000, compression: 'none' },
  });
  await shipper.init();
  const headers = new LineHeaders();
  const source = Buffer.from('a line that is too long\nshort\n');
  const run = { timestampMs: 1, longestBytes: 10, reference: headers.prefix, position: 0 };
  const position = [{ topic: 'positions', partition: 0, value: Buffer.from('0') }];
  expect(shipper.appendLines(0, source, 0, source.length, run)).toMatchObject({ count: 0 });
  expect(await shipper.launch(position)).toMatchObject({ records: 0 });
  expect(shipper.appendLines(0, source, 24, source.length, run)).toMatchObject({ count: 1 });
  expect(await shipper.launch(position)).toMatchObject({ records: 1 });
  expect((await world.values('lines')).map(({ value }) => value)).toEqual(['short']);
  expect(await world.values('positions')).toHaveLength(2);
  await world.close();
});
