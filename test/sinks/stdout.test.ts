import { PassThrough, Writable } from 'node:stream';
import { expect, it } from 'vitest';
import { StreamSink, stdoutSink } from '../../sinks/stdout.ts';
import { deliveryBatch } from '../support/deliveries.ts';

it('writes each record as a line, long ones too', async () => {
  const stream = new PassThrough();
  const sink = new StreamSink(stream);
  const texts = ['one', '', 'ü'.repeat(400_000), 'four'];
  const read = stream.toArray();
  await sink.deliver(deliveryBatch(texts.map((text, offset) => ({ offset, text }))));
  await sink.deliver(deliveryBatch([]));
  await sink.close();
  stream.end();
  expect(Buffer.concat((await read) as Buffer[]).toString()).toBe(texts.map((text) => `${text}\n`).join(''));
});

it('waits while the stream takes nothing', async () => {
  let take: (() => void) | undefined;
  const stream = new Writable({ write: (_chunk, _encoding, done) => (take = done) });
  const sink = new StreamSink(stream);
  let delivered = false;
  const delivery = sink.deliver(deliveryBatch([{ offset: 0, text: 'x' }])).then(() => (delivered = true));
  await new Promise((resolve) => setImmediate(resolve));
  expect(delivered).toBe(false);
  take!();
  await delivery;
});

it('says when nobody reads any more', async () => {
  const stream = new Writable({ write: (_chunk, _encoding, done) => done(new Error('EPIPE')) });
  const sink = new StreamSink(stream);
  await expect(sink.deliver(deliveryBatch([{ offset: 0, text: 'x' }]))).rejects.toThrow(
    'stdout cannot be written: EPIPE',
  );
  await expect(sink.deliver(deliveryBatch([{ offset: 0, text: 'x' }]))).rejects.toMatchObject({ code: 'TLR_SINK' });
});

it('is known by its URLs', () => {
  expect(['stdout:', '-', 'stdout'].map((url) => stdoutSink.fromUrl(url))).toEqual([{}, {}, {}]);
  expect(stdoutSink.fromUrl('file:x')).toBeUndefined();
});
