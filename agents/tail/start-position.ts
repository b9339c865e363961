// `from: end`: where a file's end is, in lines, and where the ends were at the very first look: until they are committed an agent that begins anew
// goes on from there.
import type { FileStat, OpenFile } from '../../base/files.ts';
import { inParallel } from '../../base/parallel.ts';
import type { FoundFile } from './discovery.ts';
import { imprintAt, readRange } from './identity.ts';
import type { Fresh, Opened } from './newcomers.ts';
import type { TailedFile } from './tailed-file.ts';

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

/** Where files begin that were there at the very first look. */
export class Starts {
  /** Whether there was a look: what comes after it is new. */
  private isFilled = false;
  private readonly byFile = new Map<string, number>();
  private readonly maxLineBytes: number;

  constructor(maxLineBytes: number) {
    this.maxLineBytes = maxLineBytes;
  }

  /** Lets `fresh` begin with the line that is or was being written; of what is packed, which is of the past, it finds out that it is. */
  async begin(fresh: readonly Fresh[], open: (found: FoundFile) => Promise<Opened | undefined>): Promise<void> {
    const { isFilled, maxLineBytes } = this;
    this.isFilled = true;
    await inParallel(fresh, filesAtOnce, async (entry) => {
      const opened = await open(entry.found);
      if (opened === undefined) return;
      const { handle, packing } = opened;
      entry.packing = packing;
      const end = async () => startOfUnfinishedLine(handle, await handle.size(), maxLineBytes);
      const key = keyOf(entry.found.stat);
      const position = this.byFile.get(key) ?? (isFilled || packing !== undefined ? undefined : await end());
      const start = await startAt(handle, position);
      if (start !== undefined) {
        entry.start = start;
        this.byFile.set(key, start.position);
      }
      await handle.close();
    });
  }

  /** Lets a file begin there that is open, and of which nothing could be committed. */
  async beginOne(file: TailedFile): Promise<void> {
    const start = await startAt(file.handle!, this.byFile.get(keyOf(file)));
    if (start !== undefined) file.beginAt(start);
  }
}

async function startAt(file: OpenFile, position: number | undefined): Promise<Fresh['start']> {
  const imprint = position === undefined ? undefined : await imprintAt(file, position);
  return position === undefined || imprint === undefined ? undefined : { position, imprint };
}

function keyOf({ identity, born }: Pick<FileStat, 'identity'> & { born?: string | undefined }): string {
  return `${identity} ${born ?? ''}`;
}
