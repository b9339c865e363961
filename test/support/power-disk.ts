// A disk whose power can fail: a real ext4 or xfs on an image file, mounted through a loop device. fail() shuts the file system down without writing its
// journal (EXT4_IOC_SHUTDOWN, XFS_IOC_GOINGDOWN with NOLOGFLUSH): what was not synced is lost or half there, as after a power cut. Needs root, the
// file system's tools and python3 (for the ioctl).
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from './command.ts';

export type FileSystem = 'ext4' | 'xfs';

const imageBytes = 640 * 1024 * 1024;
const makers: Record<FileSystem, string[]> = {
  ext4: ['mkfs.ext4', '-q', '-F'],
  xfs: ['mkfs.xfs', '-q', '-f'],
};
/** _IOR('X', 125, uint32) with NOLOGFLUSH: the same number on both file systems. */
const shutDown = `
import fcntl, os, struct, sys
descriptor = os.open(sys.argv[1], os.O_RDONLY)
fcntl.ioctl(descriptor, 0x8004587d, struct.pack('I', 2))
`;

export class PowerDisk {
  /** Where it is mounted. */
  readonly path: string;
  private readonly folder: string;
  private readonly image: string;
  private isMounted = false;

  /** Makes one and mounts it. Throws where that is not possible: ask whyNoPowerDisk() before. */
  constructor(fileSystem: FileSystem) {
    this.folder = mkdtempSync(join(tmpdir(), 'tailrace-power-'));
    this.path = join(this.folder, 'disk');
    this.image = join(this.folder, 'image');
    mkdirSync(this.path);
    writeFileSync(this.image, '');
    truncateSync(this.image, imageBytes);
    try {
      const [command, ...options] = makers[fileSystem];
      execFileSync(command!, [...options, this.image], { stdio: 'pipe' });
      this.mount();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** The power goes. Whatever is done with the disk from now on fails with EIO. */
  fail(): void {
    execFileSync('python3', ['-c', shutDown, this.path], { stdio: 'pipe' });
  }

  /** Mounts it again after fail(): the journal is replayed. Nobody may have a file open on it. */
  restore(): void {
    this.unmount();
    this.mount();
  }

  close(): void {
    if (this.isMounted) this.unmount();
    rmSync(this.folder, { recursive: true, force: true });
  }

  private mount(): void {
    execFileSync('mount', ['-o', 'loop', this.image, this.path], { stdio: 'pipe' });
    this.isMounted = true;
  }

  private unmount(): void {
    execFileSync('umount', [this.path], { stdio: 'pipe' });
    this.isMounted = false;
  }
}

/** Why there can be no PowerDisk of this kind on this machine; undefined when there can. Tried, not guessed. */
export function whyNoPowerDisk(fileSystem: FileSystem): string | undefined {
  if (process.getuid?.() !== 0) return 'not root';
  for (const command of [makers[fileSystem][0]!, 'python3', 'mount'])
    if (spawnSync(command, ['--version']).error !== undefined) return `no ${command}`;
  let disk: PowerDisk | undefined;
  try {
    disk = new PowerDisk(fileSystem);
    disk.fail();
    return undefined;
  } catch (error) {
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr) : String(error);
    return said.trim().split('\n').at(-1) ?? 'it does not work here';
  } finally {
    disk?.close();
  }
}

/** Stops every thread of a process where it is, waiting for those that are in the kernel: after that no call of it returns any more. */
export async function freeze(pid: number): Promise<void> {
  process.kill(pid, 'SIGSTOP');
  await until(`process ${pid} stands still`, () =>
    readdirSync(`/proc/${pid}/task`).every((task) => {
      const stat = readFileSync(`/proc/${pid}/task/${task}/stat`, 'utf8');
      return stat.slice(stat.lastIndexOf(')') + 2).startsWith('T');
    }),
  );
}
