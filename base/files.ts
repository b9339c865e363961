// The file-system interface: every read and write of the product's own files goes through it, so that the crash tests
// (test/support/crash-files.ts) see each step and can stop between any two. `nodeFiles` is the real one.

export type OpenMode =
  /** Must exist; reading only. */
  | 'read'
  /** Must exist; reading and writing. */
  | 'write'
  /** Reading and writing; made when missing. Durable only after syncDirectory of its folder. */
  | 'create'
  /** As 'create', but fails with code EEXIST when it is there already. */
  | 'create-new';

export interface FileStat {
  readonly kind: 'file' | 'directory' | 'other';
  readonly sizeBytes: number;
  /** Identity on this machine, "device:inode" in decimal. Reused after deletion by most file systems. */
  readonly identity: string;
  readonly modifiedMs: number;
  /**
   * When it was made, for comparison only; undefined where the file system does not tell. Two that are known and differ are of two files, even with
   * one identity.
   */
  readonly born?: string;
}

/** An open file. Positions are bytes from the start. Calls after close() reject. */
export interface OpenFile {
  readonly path: string;
  /** The size at the moment, in bytes. */
  size(): Promise<number>;
  stat(): Promise<FileStat>;
  /** Fills `target` from `position`; returns the bytes read, fewer only at the end of the file. */
  read(target: Uint8Array, position: number): Promise<number>;
  /** As read, without leaving the thread: for bytes known to be in the page cache. */
  readSync(target: Uint8Array, position: number): number;
  /** Writes all of `buffers`, one after the other, from `position`. Not durable before sync(). */
  write(buffers: readonly Uint8Array[], position: number): Promise<void>;
  /** Makes data and size durable (fdatasync). After a failure never try again: the next one would lie. */
  sync(): Promise<void>;
  truncate(sizeBytes: number): Promise<void>;
  close(): Promise<void>;
}

/** A file system. Errors are Node's, with `code` (ENOENT, ENOSPC, EIO …). */
export interface Files {
  /** `permissions` of a file that is made, less what the umask takes away: 0600 unless given. */
  open(path: string, mode: OpenMode, permissions?: number): Promise<OpenFile>;
  /** The whole of a small file. */
  readFile(path: string): Promise<Buffer>;
  /** Undefined when there is nothing at `path`. Follows symbolic links. */
  stat(path: string): Promise<FileStat | undefined>;
  /** The path without symbolic links. Rejects when there is nothing. */
  realPath(path: string): Promise<string>;
  /** Names in a folder, sorted. */
  list(directory: string): Promise<string[]>;
  /** Makes the folder and its parents, with `permissions` less the umask, 0700 unless given; no error when it is there. */
  makeDirectory(path: string, permissions?: number): Promise<void>;
  /** Replaces `to`. Durable after syncDirectory of the folder(s). */
  rename(from: string, to: string): Promise<void>;
  /** A second name for the file; fails with EEXIST when `to` exists, so it never replaces. */
  link(from: string, to: string): Promise<void>;
  /** No error when it is not there. */
  remove(path: string): Promise<void>;
  /** The folder and all in it; no error when it is not there. */
  removeDirectory(path: string): Promise<void>;
  /** Makes creations, renames and removals in this folder durable. */
  syncDirectory(path: string): Promise<void>;
  /** Room on the file system that holds `path`. */
  space(path: string): Promise<{ freeBytes: number; totalBytes: number }>;
}
