// The sink `stdout`: each record as a line on this process's standard output. At least once: what was written before a crash but not yet
// committed is written again, because a terminal or a pipe cannot be asked what it has seen.
import type { Writable } from 'node:stream';
import { z } from 'zod';
import { messageOf, TailraceError } from '../base/errors.ts';
import { defineSink } from './definition.ts';
import type { DeliveryBatch, SendingSink } from './sink.ts';

const settings = z.strictObject({});

/** Bytes that are gathered before they are handed to the stream. */
const chunkBytes = 256 * 1024;
const newline = 0x0a;

/** Writes lines to any stream; waits while the stream cannot take more. */
export class StreamSink implements SendingSink {
  readonly guarantee = 'at-least-once';
  readonly fieldPaths = [];
  private readonly stream: Writable;
  private broken: Error | undefined;
  private readonly onError = (error: Error) => {
    this.broken = error;
  };

  constructor(stream: Writable) {
    this.stream = stream;
    stream.on('error', this.onError);
  }

  async deliver(batch: DeliveryBatch): Promise<undefined> {
    for (const chunk of this.chunksOf(batch)) await this.write(chunk);
    return undefined;
  }

  close(): Promise<void> {
    this.stream.removeListener('error', this.onError);
    return Promise.resolve();
  }

  private chunksOf(batch: DeliveryBatch): Buffer[] {
    const chunks: Buffer[] = [];
    let chunk = Buffer.allocUnsafe(Math.min(chunkBytes, batch.sizeBytes + batch.count));
    let used = 0;
    batch.forEach(({ buffer, start, end }) => {
      const length = end - start + 1;
      if (used + length > chunk.length) {
        if (used > 0) chunks.push(chunk.subarray(0, used));
        chunk = Buffer.allocUnsafe(Math.max(chunkBytes, length));
        used = 0;
      }
      buffer.copy(chunk, used, start, end);
      used += length;
      chunk[used - 1] = newline;
    });
    if (used > 0) chunks.push(chunk.subarray(0, used));
    return chunks;
  }

  private write(chunk: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      const fail = (error: unknown) =>
        reject(new TailraceError('TLR_SINK', `stdout cannot be written: ${messageOf(error)}`, { cause: error }));
      if (this.broken !== undefined) fail(this.broken);
      else {
        this.stream.write(chunk, (error) => {
          if (error) fail(error);
          else resolve();
        });
      }
    });
  }
}

export const stdoutSink = defineSink({
  type: 'stdout',
  summary: 'lines on standard output',
  settings,
  describe: () => 'standard output',
  describeGuarantee: () =>
    'at least once: after a crash the last lines may be printed again, for a terminal or a pipe cannot be asked what it has seen',
  fromUrl: (url) => (url === 'stdout' || url === 'stdout:' || url === 'stdout://' || url === '-' ? {} : undefined),
  open: () => Promise.resolve(new StreamSink(process.stdout)),
});
