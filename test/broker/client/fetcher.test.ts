// Fetching against a scripted broker: what is asked for when, and what is done about each error.
import { describe, expect, it } from 'vitest';
import type { Consumer } from '../../../broker/client/contract.ts';
import { BatchBuilder } from '../../../broker/wire/batch-builder.ts';
import { apis, type RequestOf, type ResponseOf } from '../../../broker/wire/apis.ts';
import { ErrorCode } from '../../../broker/wire/errors.ts';
import { setBaseOffset } from '../../../broker/wire/record-batch.ts';
import { recordsOf } from './bench.ts';
import { lostAnswer, ScriptedBroker, topicId } from './scripted-broker.ts';

function records(baseOffset: number, count = 1): Buffer {
  const builder = new BatchBuilder();
  for (let index = 0; index < count; index++) builder.append(0, null, Buffer.from(`${baseOffset + index}`));
  const batch = builder.build();
  setBaseOffset(batch, baseOffset);
  return batch;
}

interface Served {
  errorCode?: number;
  records?: Buffer[];
}

/** Answers each asked partition by `serve`. */
function answer(body: RequestOf<'Fetch'>, serve: (offset: number, partition: number) => Served): ResponseOf<'Fetch'> {
  return apis.Fetch.response.create({
    responses: body.topics.map(({ partitions }) => ({
      topicId,
      partitions: partitions.map(({ partition, fetchOffset }) => ({
        partitionIndex: partition,
        highWatermark: 100,
        ...serve(fetchOffset, partition),
      })),
    })),
  });
}

async function consumerOf(broker: ScriptedBroker, offset = 0, partitions = [0]): Promise<Consumer> {
  broker.partitions = partitions.length;
  const consumer = broker.client('remote').consumer({ maxWaitMs: 300 });
  await consumer.assign(partitions.map((partition) => ({ topic: 't', partition, offset })));
  return consumer;
}

const asked = (broker: ScriptedBroker) =>
  broker
    .bodies('Fetch')
    .map(({ topics }) => topics.flatMap(({ partitions }) => partitions.map((each) => each.fetchOffset)));

describe('topics of a broker before Kafka 2.8, which have no ids', () => {
  it('are told apart by ids that are made of their names', async () => {
    const broker = new ScriptedBroker();
    broker.script.Metadata = ({ topics }) =>
      apis.Metadata.response.create({
        brokers: [{ nodeId: 1, host: 'only', port: 1 }],
        topics: (topics ?? []).map(({ name }) => ({ name, topicId: Buffer.alloc(16) })),
      });
    const idsOf = async (...names: string[]) =>
      (await broker.client('remote').admin().topics(names)).map(({ topicId: id }) => id.toString('hex'));
    const [one, other] = await idsOf('one', 'other');
    expect(one).toMatch(/^(?!0+$)[0-9a-f]{32}$/);
    expect(other).not.toBe(one);
    expect(await idsOf('one')).toEqual([one]);
  });
});

describe('the fetcher', () => {
  it('asks for the next part while the last one is worked on, and for no more than that', async () => {
    const broker = new ScriptedBroker();
    broker.script.Fetch = (body) => answer(body, (offset) => ({ records: [records(offset, 10)] }));
    const consumer = await consumerOf(broker);
    expect(recordsOf(await consumer.poll())).toHaveLength(10);
    await expect.poll(() => asked(broker)).toEqual([[0], [10]]);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(asked(broker)).toEqual([[0], [10]]);
    expect(consumer.position({ topic: 't', partition: 0 })).toBe(10);
    expect(recordsOf(await consumer.poll()).map(({ offset }) => offset)[0]).toBe(10);
    await consumer.close();
  });

  it('drops what was fetched ahead when the reader goes elsewhere', async () => {
    const broker = new ScriptedBroker();
    broker.script.Fetch = (body) => answer(body, (offset) => ({ records: [records(offset, 10)] }));
    const consumer = await consumerOf(broker);
    await consumer.poll();
    consumer.seek({ topic: 't', partition: 0 }, 5000);
    expect(recordsOf(await consumer.poll())[0]?.offset).toBe(5000);
    await consumer.close();
  });

  it('lets partitions that had nothing go first the next time', async () => {
    const broker = new ScriptedBroker();
    broker.script.Fetch = (body) =>
      answer(body, (offset, partition) => (partition === 0 ? { records: [records(offset)] } : {}));
    const consumer = await consumerOf(broker, 0, [0, 1]);
    await consumer.poll();
    await consumer.poll();
    const order = broker.bodies('Fetch').map(({ topics }) => topics[0]!.partitions.map(({ partition }) => partition));
    expect(order.slice(0, 2)).toEqual([
      [0, 1],
      [1, 0],
    ]);
    await consumer.close();
  });

  it('goes on where the log begins when retention was faster, and nowhere when the offset is behind the end', async () => {
    const broker = new ScriptedBroker();
    broker.script.ListOffsets = () =>
      apis.ListOffsets.response.create({ topics: [{ name: 't', partitions: [{ partitionIndex: 0, offset: 50 }] }] });
    broker.script.Fetch = (body) =>
      answer(body, (offset) =>
        offset >= 50 && offset <= 100 ? { records: [records(offset)] } : { errorCode: ErrorCode.OFFSET_OUT_OF_RANGE },
      );
    const late = await consumerOf(broker, 7);
    await expect.poll(() => late.poll().then((fetched) => recordsOf(fetched)[0]?.offset)).toBe(50);
    const ahead = await consumerOf(broker, 900);
    await expect(ahead.poll()).rejects.toThrow(/offset 900 is behind the end of topic t, partition 0/);
  });

  it('reads the other partitions while one has no leader', async () => {
    const broker = new ScriptedBroker();
    broker.script.Metadata = () =>
      apis.Metadata.response.create({
        brokers: [{ nodeId: 1, host: 'only', port: 1 }],
        topics: [
          { name: 't', topicId, partitions: [-1, 1].map((leaderId, partitionIndex) => ({ partitionIndex, leaderId })) },
        ],
      });
    broker.script.Fetch = (body) => answer(body, (offset) => ({ records: [records(offset, 10)] }));
    const consumer = await consumerOf(broker, 0, [0, 1]);
    const found = async () => (await consumer.poll()).map(({ partition }) => partition);
    await expect.poll(found, { timeout: 30_000 }).toEqual([1]);
    expect(broker.bodies('Fetch').flatMap(({ topics }) => topics[0]!.partitions)).toMatchObject([{ partition: 1 }]);
    await consumer.close();
  });

  it('asks where the leader is after NOT_LEADER and after a lost connection, and goes on', async () => {
    const broker = new ScriptedBroker();
    const troubles = [
      () => lostAnswer(),
      (body: RequestOf<'Fetch'>) => answer(body, () => ({ errorCode: ErrorCode.NOT_LEADER_OR_FOLLOWER })),
    ];
    broker.script.Fetch = (body) => {
      const trouble = troubles.pop();
      return trouble === undefined ? answer(body, (offset) => ({ records: [records(offset)] })) : trouble(body);
    };
    const consumer = await consumerOf(broker);
    const before = broker.bodies('Metadata').length;
    await expect.poll(() => consumer.poll().then((fetched) => recordsOf(fetched).length)).toBe(1);
    expect(broker.bodies('Metadata').length).toBeGreaterThanOrEqual(before + 2);
    await consumer.close();
  });

  it('refuses to go on in a topic of the same name that is another one', async () => {
    const broker = new ScriptedBroker();
    const consumer = await consumerOf(broker);
    broker.script.Fetch = (body) => answer(body, () => ({ errorCode: ErrorCode.UNKNOWN_TOPIC_ID }));
    broker.script.Metadata = () =>
      apis.Metadata.response.create({
        brokers: [{ nodeId: 1, host: 'only', port: 1 }],
        topics: [{ name: 't', topicId: Buffer.alloc(16, 9), partitions: [{ partitionIndex: 0, leaderId: 1 }] }],
      });
    await expect
      .poll(() =>
        consumer.poll().then(
          () => '',
          (error: unknown) => String(error),
        ),
      )
      .toMatch(/topic t was deleted and made anew/);
  });

  it('hands out nothing that does not match its checksum', async () => {
    const broker = new ScriptedBroker();
    broker.script.Fetch = (body) =>
      answer(body, (offset) => {
        const damaged = records(offset);
        damaged[damaged.length - 2]! ^= 1;
        return { records: [damaged] };
      });
    const consumer = await consumerOf(broker);
    await expect(consumer.poll()).rejects.toMatchObject({ code: 'TLR_CORRUPT' });
  });
});
