// The shipper on the real broker: what a flight sends, and what one that was refused keeps from being sent.
import { expect, it, vi } from 'vitest';
import { Shipper } from '../../agents/shipper.ts';
import type { KafkaClient } from '../../broker/client/contract.ts';
import { noHeaders } from '../../broker/wire/batch-builder.ts';
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

it('sends nothing more when a flight was refused, whoever asks for it: its lines would be passed over', async () => {
  const world = await PipelineWorld.open();
  await world.createTopic('lines');
  await world.createTopic('positions');
  const shipper = new Shipper(world.client, {
    ...{ transactionalId: 'agent', topic: 'lines', batchBytes: 4_000_000, compression: 'none' },
  });
  await shipper.init();
  const append = (text: string) => shipper.append(0, 1, Buffer.from(text), 0, text.length, noHeaders);
  const position = (offset: string) => [{ topic: 'positions', partition: 0, value: Buffer.from(offset) }];
  append('x'.repeat(2_000_000)); // The topic takes 1 MiB.
  await expect(shipper.launch(position('2000001'))).rejects.toThrow('MESSAGE_TOO_LARGE');
  expect(shipper.isFlying).toBe(false);
  append('the next line');
  await expect(shipper.launch(position('2000015'))).rejects.toThrow('MESSAGE_TOO_LARGE');
  expect(await world.values('lines')).toEqual([]);
  expect(await world.values('positions')).toEqual([]);
  await world.close();
});

it('sends batches that are full ahead of their flight, which alone makes them visible, and gives them up when it closes', async () => {
  const world = await PipelineWorld.open();
  await world.createTopic('lines');
  await world.createTopic('positions');
  const options = { transactionalId: 'agent', topic: 'lines', batchBytes: 1000, compression: 'none' } as const;
  const position = (offset: string) => [{ topic: 'positions', partition: 0, value: Buffer.from(offset) }];
  const texts = ['a', 'b', 'c', 'd', 'e'].map((letter) => letter.repeat(600));
  const shipper = new Shipper(world.client, options);
  await shipper.init();
  const append = (text: string) => shipper.append(0, 1, Buffer.from(text), 0, text.length, noHeaders);
  append(texts[0]!);
  expect(shipper.isOpen).toBe(false);
  append(texts[1]!);
  expect(shipper.isOpen).toBe(true);
  expect(shipper.pendingBytes).toBeGreaterThan(1200);
  expect(await world.values('lines')).toEqual([]);
  const flight = shipper.launch(position('2'));
  expect([shipper.isOpen, shipper.pendingBytes]).toEqual([false, 0]);
  // These stand behind all of the flight: the broker has not answered yet.
  for (const text of texts.slice(2, 4)) append(text);
  expect(shipper.isOpen).toBe(false);
  expect(await flight).toMatchObject({ records: 2 });
  expect(shipper.isOpen).toBe(true);
  await shipper.close();
  const next = new Shipper(world.client, options);
  await next.init();
  next.append(0, 1, Buffer.from(texts[4]!), 0, 600, noHeaders);
  await next.launch(position('5'));
  expect((await world.values('lines')).map(({ value }) => value)).toEqual([texts[0], texts[1], texts[4]]);
  expect((await world.values('positions')).map(({ value }) => value)).toEqual(['2', '5']);
  await world.close();
});

it('writes what is full while the flight before is decided, and decides one after the other', async () => {
  const world = await PipelineWorld.open();
  await world.createTopic('lines');
  await world.createTopic('positions');
  const decisions: (() => void)[] = [];
  const client = Object.create(world.client) as KafkaClient;
  client.producer = (options) => {
    const producer = world.client.producer(options);
    const begin = producer.begin.bind(producer);
    producer.begin = () => {
      const transaction = begin();
      const commit = transaction.commit.bind(transaction);
      transaction.commit = () => new Promise<void>((resolve) => decisions.push(resolve)).then(commit);
      return transaction;
    };
    return producer;
  };
  const options = { transactionalId: 'agent', topic: 'lines', batchBytes: 1000, compression: 'none' } as const;
  const shipper = new Shipper(client, options);
  await shipper.init();
  const append = (text: string) => shipper.append(0, 1, Buffer.from(text), 0, text.length, noHeaders);
  const position = (offset: string) => [{ topic: 'positions', partition: 0, value: Buffer.from(offset) }];
  const texts = ['a', 'b', 'c', 'd', 'e'].map((letter) => letter.repeat(600));
  for (const text of texts.slice(0, 2)) append(text);
  const first = shipper.launch(position('2'));
  for (const text of texts.slice(2)) append(text);
  await vi.waitFor(() => expect(decisions).toHaveLength(1));
  // Two of the three are full batches.
  expect([shipper.isOpen, shipper.isFlying]).toEqual([true, true]);
  const end = async (at: 'latest' | 'latest-stable') => (await world.client.admin().offsets('lines', at)).get(0);
  await vi.waitFor(async () => expect([await end('latest-stable'), await end('latest')]).toEqual([0, 4]));
  await expect(async () => shipper.launch(position('5'))).rejects.toThrow('in the air');
  decisions[0]!();
  await first;
  await vi.waitFor(async () => expect(await end('latest-stable')).toBe(2));
  const second = shipper.launch(position('5'));
  await vi.waitFor(() => expect(decisions).toHaveLength(2));
  decisions[1]!();
  await second;
  expect((await world.values('lines')).map(({ value }) => value)).toEqual(texts);
  await shipper.close();
  await world.close();
});

it('compresses what is full while the flight before is in the air, and keeps the order of the lines', async () => {
  const world = await PipelineWorld.open();
  await world.createTopic('lines');
  await world.createTopic('positions');
  const options = { transactionalId: 'agent', topic: 'lines', batchBytes: 20_000, compression: 'zstd' } as const;
  const shipper = new Shipper(world.client, options);
  await shipper.init();
  const texts = Array.from(
    { length: 3000 },
    (_none, index) => `line ${index}, ${'some more of it '.repeat(index % 9)}`,
  );
  const bytes = texts.reduce((sum, { length }) => sum + length, 0);
  let flight = Promise.resolve<unknown>(undefined);
  for (const [index, text] of texts.entries()) {
    shipper.append(0, 1, Buffer.from(text), 0, Buffer.byteLength(text), noHeaders);
    if (index % 1000 !== 999) continue;
    expect(shipper.pendingBytes).toBeGreaterThan(bytes / 4);
    await flight;
    flight = shipper.launch([{ topic: 'positions', partition: 0, value: Buffer.from(String(index)) }]);
  }
  await flight;
  expect((await world.values('lines')).map(({ value }) => value)).toEqual(texts);
  expect((await world.values('positions')).map(({ value }) => value)).toEqual(['999', '1999', '2999']);
  await world.close();
});
