import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { beginAlike, Imprint, imprintAt, verify } from '../../../agents/tail/identity.ts';
import { startOfUnfinishedLine } from '../../../agents/tail/start-position.ts';
import type { OpenFile } from '../../../base/files.ts';

/** A file in memory, for reading only. */
function fileOf(bytes: Buffer): OpenFile {
  return {
    size: () => Promise.resolve(bytes.length),
    read: (target: Uint8Array, position: number) => {
      const part = bytes.subarray(position, position + target.length);
      target.set(part);
      return Promise.resolve(part.length);
    },
  } satisfies Partial<OpenFile> as OpenFile;
}

const bytes = fc.uint8Array({ minLength: 1, maxLength: 3_000 }).map((array) => Buffer.from(array));
const cuts = fc.array(fc.nat({ max: 3_000 }), { maxLength: 6 });

describe('an imprint', () => {
  it('is the same however the bytes came, and as read from the file', async () => {
    await fc.assert(
      fc.asyncProperty(bytes, cuts, async (content, at) => {
        let imprint = Imprint.empty;
        let from = 0;
        for (const to of [...at.filter((cut) => cut < content.length), content.length].sort((a, b) => a - b)) {
          imprint = imprint.after(content, from, to);
          from = to;
        }
        const read = await imprintAt(fileOf(content), content.length);
        expect(imprint.fingerprint()).toEqual(read!.fingerprint());
      }),
    );
  });

  it('holds for a file that only grew, and not for one whose head or anchor changed or that is shorter', async () => {
    await fc.assert(
      fc.asyncProperty(bytes, bytes, fc.nat(), async (content, more, where) => {
        const { length } = content;
        const known = (await imprintAt(fileOf(content), length))!.fingerprint();
        const grown = Buffer.concat([content, more]);
        expect(await verify(fileOf(grown), length, known)).toBeDefined();
        expect(await verify(fileOf(content.subarray(0, length - 1)), length, known)).toBeUndefined();
        const changed = Buffer.from(content);
        // Within the head or within the anchor.
        const at = where % 2 === 0 ? where % Math.min(length, 1024) : length - 1 - (where % Math.min(length, 256));
        changed[at]! ^= 1;
        expect(await verify(fileOf(changed), length, known)).toBeUndefined();
        expect(await beginAlike(fileOf(content), fileOf(grown), length)).toBe(true);
        expect(await beginAlike(fileOf(changed), fileOf(grown), length)).toBe(false);
      }),
    );
  });
});

describe('the start of the line that is being written', () => {
  it('is behind the last newline', async () => {
    const text = fc.string({ unit: fc.constantFrom('a', '\n'), maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(text, async (content) => {
        const start = await startOfUnfinishedLine(fileOf(Buffer.from(content)), content.length, 1_000);
        expect(start).toBe(content.lastIndexOf('\n') + 1);
      }),
    );
  });

  it('is the end when the line is longer than lines may be', async () => {
    const content = Buffer.from(`x\n${'y'.repeat(500)}`);
    expect(await startOfUnfinishedLine(fileOf(content), content.length, 100)).toBe(content.length);
  });
});
