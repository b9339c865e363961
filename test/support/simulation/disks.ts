// Disks of the simulation: file systems in memory (test/support/crash-files.ts) that may be slow, full or broken for a while, and that a power failure leaves
// in a state drawn from those that are possible. A process sees them mounted under their folders, through its gate.
import type { Files, FileStat, OpenFile, OpenMode } from '../../../base/files.ts';
import type { Random } from '../../../base/random.ts';
import { CrashFiles, type FileCall } from '../crash-files.ts';
import type { SimulatedProcess, VirtualTime } from './time.ts';

/** What is wrong with a disk: each change fails with this chance, with this code. */
export interface DiskTrouble {
  code: 'EIO' | 'ENOSPC';
  chance: number;
}

export class SimulatedDisk {
  readonly folder: string;
  files: CrashFiles;
  trouble: DiskTrouble | undefined;
  /** A control: its syncs do nothing, which only a power failure shows. */
  isLying = false;
  private readonly random: Random;
  private readonly time: VirtualTime;

  private constructor(folder: string, time: VirtualTime, random: Random, files: CrashFiles) {
    this.folder = folder;
    this.time = time;
    this.random = random;
    this.files = files;
    this.attach();
  }

  /** An empty one, or one with what a power failure has left. */
  static async create(
    folder: string,
    time: VirtualTime,
    random: Random,
    files = new CrashFiles(random),
  ): Promise<SimulatedDisk> {
    const disk = new SimulatedDisk(folder, time, random, files);
    await disk.files.makeDirectory(folder);
    await disk.files.syncDirectory('/');
    return disk;
  }

  /** The power fails. Whoever uses it is to be killed before. */
  failPower(): void {
    this.files = this.files.crash(this.files.steps, this.random);
    this.attach();
  }

  /** How long a sync takes: most of them no time at all. */
  syncMs(): number {
    const draw = this.random.next();
    if (draw < 0.9) return 0;
    return draw < 0.995 ? this.random.next() * 40 : this.random.next() * 3000;
  }

  private attach(): void {
    this.files.now = () => 1_790_000_000_000 + this.time.ms;
    this.files.inject = (call) => this.fault(call);
  }

  private fault({ kind }: FileCall): Error | undefined {
    const { trouble } = this;
    if (trouble === undefined || this.random.next() >= trouble.chance) return undefined;
    if (trouble.code === 'ENOSPC' && kind !== 'write' && kind !== 'open') return undefined;
    return CrashFiles.error(trouble.code);
  }
}

/** The files that a process sees. */
export class MountedFiles implements Files {
  private readonly process: SimulatedProcess;
  private readonly disks: readonly SimulatedDisk[];

  /** The first disk has what is in no other's folder. */
  constructor(process: SimulatedProcess, disks: readonly SimulatedDisk[]) {
    this.process = process;
    this.disks = disks;
  }

  async open(path: string, mode: OpenMode): Promise<OpenFile> {
    const { process } = this;
    const disk = this.disk(path);
    const file = await process.through(() => disk.files.open(path, mode));
    return {
      path,
      size: () => process.through(() => file.size()),
      stat: () => process.through(() => file.stat()),
      read: (target, position) => process.through(() => file.read(target, position)),
      readSync: (target, position) => file.readSync(target, position),
      write: (buffers, position) => process.through(() => file.write(buffers, position)),
      sync: () => process.through(() => this.slowly(disk, () => file.sync())),
      truncate: (sizeBytes) => process.through(() => file.truncate(sizeBytes)),
      close: () => process.through(() => file.close()),
    };
  }

  readFile(path: string): Promise<Buffer> {
    return this.on(path, (files) => files.readFile(path));
  }

  stat(path: string): Promise<FileStat | undefined> {
    return this.on(path, (files) => files.stat(path));
  }

  realPath(path: string): Promise<string> {
    return this.on(path, (files) => files.realPath(path));
  }

  list(directory: string): Promise<string[]> {
    return this.on(directory, (files) => files.list(directory));
  }

  makeDirectory(path: string): Promise<void> {
    return this.on(path, (files) => files.makeDirectory(path));
  }

  rename(from: string, to: string): Promise<void> {
    return this.on(from, (files) => files.rename(from, to));
  }

  link(from: string, to: string): Promise<void> {
    return this.on(from, (files) => files.link(from, to));
  }

  remove(path: string): Promise<void> {
    return this.on(path, (files) => files.remove(path));
  }

  removeDirectory(path: string): Promise<void> {
    return this.on(path, (files) => files.removeDirectory(path));
  }

  syncDirectory(path: string): Promise<void> {
    const disk = this.disk(path);
    return this.process.through(() => this.slowly(disk, () => disk.files.syncDirectory(path)));
  }

  space(path: string): Promise<{ freeBytes: number; totalBytes: number }> {
    return this.on(path, (files) => files.space());
  }

  private on<T>(path: string, work: (files: CrashFiles) => Promise<T>): Promise<T> {
    return this.process.through(() => work(this.disk(path).files));
  }

  private disk(path: string): SimulatedDisk {
    return this.disks.find(({ folder }) => path === folder || path.startsWith(`${folder}/`)) ?? this.disks[0]!;
  }

  private async slowly(disk: SimulatedDisk, work: () => Promise<void>): Promise<void> {
    if (disk.isLying) return;
    const delayMs = disk.syncMs();
    if (delayMs > 0) await this.process.time.sleep(delayMs);
    await work();
  }
}
