// `from: end`: where a file's end is, in lines.
import type { OpenFile } from '../../base/files.ts';
import { readRange } from './identity.ts';

const blockBytes = 64 * 1024;

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
