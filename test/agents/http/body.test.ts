import { Readable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readBody, Room } from '../../../agents/http/body.ts';

const limits = { sentBytes: 1e6, decompressedBytes: 1e6 };

function requestOf(chunks: readonly Buffer[], announcedBytes?: number): Parameters<typeof readBody>[0] {
  const headers = announcedBytes === undefined ? {} : { 'content-length': String(announcedBytes) };
  return Object.assign(Readable.from(chunks.map((chunk) => Buffer.from(chunk))), { headers });
}

describe('bodies', () => {
  it('come whole, announced or not, each in memory of its own until it is released', async () => {
    const chunk = fc.uint8Array({ minLength: 1, maxLength: 40 }).map((bytes) => Buffer.from(bytes));
    const bodies = fc.array(fc.tuple(fc.array(chunk, { minLength: 1, maxLength: 6 }), fc.boolean()), { maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(fc.array(bodies, { maxLength: 4 }), async (rounds) => {
        const room = new Room(1e6);
        for (const round of rounds) {
          const holds = round.map(() => room.hold());
          const received = await Promise.all(
            round.map(([chunks, isAnnounced], index) => {
              const { length } = Buffer.concat(chunks);
              return readBody(requestOf(chunks, isAnnounced ? length : undefined), limits, holds[index]!);
            }),
          );
          expect(received).toEqual(round.map(([chunks]) => Buffer.concat(chunks)));
          for (const hold of holds) hold.release();
        }
      }),
    );
  });

  it('that end too early are refused, and their memory serves the next one', async () => {
    const room = new Room(1e6);
    const hold = room.hold();
    const cut = requestOf([Buffer.alloc(10, 1)], 20);
    cut.destroy(new Error('gone'));
    await expect(readBody(cut, limits, hold)).rejects.toMatchObject({ status: 400 });
    hold.release();
    const next = room.hold();
    const body = [Buffer.alloc(5, 2), Buffer.alloc(5, 3)];
    expect(await readBody(requestOf(body, 10), limits, next)).toEqual(Buffer.concat(body));
  });
});
