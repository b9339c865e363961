import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ChunkReader } from '../../../agents/tail/chunks.ts';
import { TailedFile } from '../../../agents/tail/tailed-file.ts';
import type { OpenFile } from '../../../base/files.ts';
import { CrashFiles } from '../../support/crash-files.ts';

const sliceBytes = 600;

function tailed(): TailedFile {
  const origin = { id: Buffer.alloc(6), firstPath: '/log', partition: 0, generation: 0, sinceMs: 0 };
  return new TailedFile(origin, '/log', '1:1');
}

/** Bytes that differ everywhere, with a newline now and then. */
function bytesFrom(seed: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let index = 0, state = seed; index < length; index++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[index] = state >>> 24;
  }
  return bytes;
}

async function write(handle: OpenFile, bytes: Buffer, position: number): Promise<void> {
  await handle.write([bytes], position);
}

type Act = { kind: 'read'; ahead: boolean; leave: number } | { kind: 'grow'; bytes: number } | { kind: 'reopen' };

const act: fc.Arbitrary<Act> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('read'), ahead: fc.boolean(), leave: fc.nat(500) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('grow'), bytes: fc.integer({ min: 1, max: 4000 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('reopen') }) },
);

it('reads each byte once, ahead or not, whatever a chunk leaves', async () => {
  const property = fc.asyncProperty(fc.array(act, { maxLength: 60 }), fc.nat(5000), async (acts, initial) => {
    const files = new CrashFiles();
    let handle = await files.open('/log', 'create');
    let content = bytesFrom(7, initial);
    await write(handle, content, 0);
    const reader = new ChunkReader(1000, sliceBytes);
    const file = tailed();
    const taken: Buffer[] = [];
    for (const one of [...acts, ...Array<Act>(60).fill({ kind: 'read', ahead: true, leave: 0 })]) {
      if (one.kind === 'grow') {
        const more = bytesFrom(content.length + 1, one.bytes);
        await write(handle, more, content.length);
        content = Buffer.concat([content, more]);
      } else if (one.kind === 'reopen') {
        handle = await files.open('/log', 'write');
      } else {
        const { buffer, start, end } = (await reader.read(file, handle, one.ahead))!;
        const stop = Math.max(start, end - one.leave);
        taken.push(Buffer.from(buffer.subarray(start, stop)));
        file.advance(buffer, start, stop, 0, 0);
        file.outgrewSlice = stop === start;
      }
    }
    expect(Buffer.concat(taken).equals(content.subarray(0, file.position))).toBe(true);
    expect(file.position).toBe(content.length);
  });
  await fc.assert(property, { numRuns: 60 });
});

it('never takes another content for the one that it read, and stops where it is told', async () => {
  const property = fc.asyncProperty(fc.integer({ min: 1, max: 6 }), fc.nat(400), async (reads, leave) => {
    const files = new CrashFiles();
    const handle = await files.open('/log', 'create');
    const old = bytesFrom(1, 10_000);
    await write(handle, old, 0);
    const reader = new ChunkReader(1000, sliceBytes);
    const file = tailed();
    const taken: Buffer[] = [];
    for (let count = 0; count < reads + 30; count++) {
      if (count === reads) await write(handle, bytesFrom(2, 10_000), 0);
      const chunk = await reader.read(file, handle, true);
      if (chunk === undefined) break;
      const stop = Math.max(chunk.start, chunk.end - leave);
      taken.push(Buffer.from(chunk.buffer.subarray(chunk.start, stop)));
      file.advance(chunk.buffer, chunk.start, stop, 0, 0);
    }
    expect(Buffer.concat(taken).equals(old.subarray(0, file.position))).toBe(true);
    expect(file.position).toBeLessThan(old.length);

    const bounded = tailed();
    bounded.endPosition = 1500;
    await write(handle, old, 0);
    let atEnd = false;
    while (!atEnd) {
      const chunk = (await reader.read(bounded, handle, true))!;
      bounded.advance(chunk.buffer, chunk.start, chunk.end, 0, 0);
      ({ atEnd } = chunk);
    }
    expect(bounded.position).toBe(1500);
  });
  await fc.assert(property, { numRuns: 40 });
});
