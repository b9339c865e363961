// A small file system of its own, for tests of a full disk. Needs the right to mount (root on Linux).
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const probe = mkdtempSync(join(tmpdir(), 'tailrace-mount-'));
/** Whether this process may mount. */
export const canMount = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', probe]).status === 0;
if (canMount) unmount(probe);
rmSync(probe, { recursive: true });

/** Mounts `size` ("48m") of memory at the empty folder `path`. */
export function mountSmallDisk(path: string, size: string): void {
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', path]);
}

/** Gives the disk at `path` more room. */
export function resizeSmallDisk(path: string, size: string): void {
  execFileSync('mount', ['-o', `remount,size=${size}`, path]);
}

export function unmount(path: string): void {
  execFileSync('umount', [path]);
}
