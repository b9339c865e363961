// `from: end`: where a file's end is, in lines.
import type { OpenFile } from '../../base/files.ts';
import { inParallel } from '../../base/parallel.ts';
import type { FoundFile } from './discovery.ts';
import { imprintAt, readRange } from './identity.ts';
import type { Fresh, Opened } from './newcomers.ts';

const blockBytes = 64 * 1024;
const filesAtOnce = 32;

/**
 * The start of the line that is being written: behind the last newline, or the end of the file when that is the last byte. Looks back at most
 * `maxLineBytes`, then takes the end itself.
 */
export async function startOfUnfinishedLine(file: OpenFile, sizeBytes: number, maxLineBytes: number): Promise<number> {
  const least = Math.max(0, sizeBytes - maxLineBytes);
  for (let end = sizeBytes; end > least;) {
    const start = Math.max(least, end - blockBytes);
    const at = (await readRange(file, start, end - start)).lastIndexOf(0x0a);
    if (at >= 0) return start + at + 1;
    end = start;
  }
  return least === 0 ? 0 : sizeBytes;
}

/** Lets `fresh` begin with the line that is being written; of what is packed, which is of the past, it finds out that it is. */
export async function startAtEnd(
  fresh: readonly Fresh[],
  open: (found: FoundFile) => Promise<Opened | undefined>,
  maxLineBytes: number,
): Promise<void> {
  await inParallel(fresh, filesAtOnce, async (entry) => {
    const opened = await open(entry.found);
    if (opened === undefined) return;
    const { handle, packing } = opened;
    entry.packing = packing;
    if (packing === undefined) {
      const position = await startOfUnfinishedLine(handle, await handle.size(), maxLineBytes);
      const imprint = await imprintAt(handle, position);
      if (imprint !== undefined) entry.start = { position, imprint };
    }
    await handle.close();
  });
}
