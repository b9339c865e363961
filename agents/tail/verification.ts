// Compares followed files with what was read of them, where something may have taken their place.
import { inParallel } from '../../base/parallel.ts';
import { verify } from './identity.ts';
import { type Breathe, UnpackedFile } from './packing.ts';
import type { Reader } from './reader.ts';
import type { TailedFile } from './tailed-file.ts';

const filesAtOnce = 16;

/**
 * Recovered files with what an earlier run knew of them; `breathe` lets others be read while much is unpacked for that. `cannotRead` is told of those
 * that are not to be had now.
 */
export async function verifyRecovered(
  files: Iterable<TailedFile>,
  reader: Reader,
  cannotRead: (path: string, error: unknown) => void,
  breathe: Breathe | undefined,
): Promise<void> {
  // A packed file that is as it was when it was read to its end is not unpacked again.
  const unverified = [...files].filter(
    (file) =>
      file.unverified !== undefined &&
      (!file.isMissing || file.handle !== undefined) &&
      !file.replaced &&
      !file.isWhole &&
      file.trouble === undefined,
  );
  await inParallel(unverified, filesAtOnce, async (file) => {
    try {
      const handle = await reader.open(file);
      const packed = handle instanceof UnpackedFile ? handle : undefined;
      if (packed !== undefined) packed.breathe = breathe;
      const comparison = verify(handle, file.position, file.fingerprint);
      const imprint = await comparison.finally(() => packed !== undefined && (packed.breathe = undefined));
      if (imprint === undefined) file.replaced = true;
      else {
        file.imprint = imprint;
        file.unverified = undefined;
      }
    } catch (error) {
      file.trouble = error;
      cannotRead(file.path, error);
    }
  });
}

/**
 * Before copies are told from new files: which of the others hold something else now? A copy may have been written over an older file, or
 * into the inode of one that was deleted.
 */
export async function verifyChanged(files: Iterable<TailedFile>, reader: Reader): Promise<void> {
  const changed = [...files].filter(
    (file) => file.hungry && file.position > 0 && file.unverified === undefined && !file.isMissing,
  );
  await inParallel(changed, filesAtOnce, async (file) => {
    try {
      const imprint = await verify(await reader.open(file), file.position, file.fingerprint);
      if (imprint === undefined) file.replaced = true;
    } catch (error) {
      file.trouble = error;
    }
  });
}
