// A file system in memory that remembers every step, so that a test can stop it anywhere: `crash(step, random)` is a new file system in a state
// that a power failure after that step may have left (test/support/disk-model.ts has the rules). It can fail calls on demand.
import { dirname } from 'node:path';
import type { Files, FileStat, OpenFile, OpenMode } from '../../base/files.ts';
import type { Random } from '../../base/random.ts';
import { type DiskImage, DiskModel, type DiskStep } from './disk-model.ts';

interface Node {
  id: number;
  /** Undefined for a directory. */
  content: Buffer | undefined;
  sizeBytes: number;
  names: Map<string, Node>;
  modifiedMs: number;
}

/** A call that is about to be made, as seen by `inject`. */
export interface FileCall {
  kind: 'open' | 'write' | 'sync' | 'truncate' | 'rename' | 'remove' | 'sync-directory';
  path: string;
  /** Bytes of a write. */
  bytes: number;
}

export class CrashFiles implements Files {
  readonly trace: DiskStep[] = [];
  /** Returns the error that a call is to fail with; a write that fails has written half of its bytes before. */
  inject: ((call: FileCall) => Error | undefined) | undefined;
  freeBytes = 1e12;
  /** So many turns of the event loop a sync takes at most, as drawn; other calls take none. */
  syncTurns = 0;
  /** The time that changes are noted with. */
  now: () => number = () => 0;

  private readonly random: Random | undefined;
  private readonly root: Node;
  private nextId = 1;
  private nextToken = 1;

  /** `random` draws how long calls take, counted in turns of the microtask queue; without it each takes one. */
  constructor(random?: Random) {
    this.random = random;
    this.root = { id: 0, content: undefined, sizeBytes: 0, names: new Map(), modifiedMs: 0 };
  }

  /** Steps so far: a place in time. */
  get steps(): number {
    return this.trace.length;
  }

  /** A file system as a crash after the first `steps` steps may leave it. Everything in it counts as durable. */
  crash(steps: number, random: Random): CrashFiles {
    const model = new DiskModel();
    for (const step of this.trace.slice(0, steps)) model.take(step);
    return CrashFiles.of(model.crash(random), random);
  }

  /** Error for `inject`: ENOSPC, EIO … */
  static error(code: string): Error {
    return Object.assign(new Error(`${code}: injected`), { code });
  }

  private static of(image: DiskImage, random: Random): CrashFiles {
    const files = new CrashFiles(random);
    const nodes = new Map<number, Node>();
    // Files are still the ones that they were, also those with several names.
    files.nextId = 1 + Math.max(0, ...[...image.files.values()].map(({ node }) => node));
    for (const path of [...image.directories].sort()) files.addDirectory(path);
    for (const [path, { node: id, content }] of image.files) {
      const known = nodes.get(id);
      if (known !== undefined) {
        files.changeNames(files.existing(dirname(path)), [[nameOf(path), known]]);
        continue;
      }
      const node = files.addFile(path, id);
      nodes.set(id, node);
      files.change(node, { kind: 'write', node: id, position: 0, bytes: content });
    }
    files.sealAll();
    return files;
  }

  async open(path: string, mode: OpenMode): Promise<OpenFile> {
    await this.turn();
    this.check('open', path);
    let node = this.find(path);
    if (node !== undefined && mode === 'create-new') throw failure('EEXIST', path);
    if (node === undefined && mode !== 'create' && mode !== 'create-new') throw failure('ENOENT', path);
    node ??= this.addFile(path);
    if (node.content === undefined) throw failure('EISDIR', path);
    return new CrashFile(this, path, node);
  }

  async readFile(path: string): Promise<Buffer> {
    await this.turn();
    const node = this.existing(path);
    return Buffer.from(node.content!.subarray(0, node.sizeBytes));
  }

  async stat(path: string): Promise<FileStat | undefined> {
    await this.turn();
    const node = this.find(path);
    return node === undefined ? undefined : statOf(node);
  }

  /** There are no symbolic links here. */
  realPath(path: string): Promise<string> {
    return Promise.resolve(path);
  }

  async list(directory: string): Promise<string[]> {
    await this.turn();
    return [...this.existing(directory).names.keys()].sort();
  }

  async makeDirectory(path: string): Promise<void> {
    await this.turn();
    if (this.find(path) === undefined) this.addDirectory(path);
  }

  async rename(from: string, to: string): Promise<void> {
    await this.turn();
    this.check('rename', from);
    const node = this.existing(from);
    const [source, target] = [this.existing(dirname(from)), this.existing(dirname(to))];
    if (source === target) {
      this.changeNames(source, [
        [nameOf(from), undefined],
        [nameOf(to), node],
      ]);
    } else {
      this.changeNames(target, [[nameOf(to), node]]);
      this.changeNames(source, [[nameOf(from), undefined]]);
    }
  }

  async link(from: string, to: string): Promise<void> {
    await this.turn();
    if (this.find(to) !== undefined) throw failure('EEXIST', to);
    this.changeNames(this.existing(dirname(to)), [[nameOf(to), this.existing(from)]]);
  }

  async remove(path: string): Promise<void> {
    await this.turn();
    this.check('remove', path);
    if (this.find(path) !== undefined) this.changeNames(this.existing(dirname(path)), [[nameOf(path), undefined]]);
  }

  async removeDirectory(path: string): Promise<void> {
    await this.turn();
    const node = this.find(path);
    if (node === undefined) return;
    for (const name of [...node.names.keys()]) {
      await this.turn();
      this.changeNames(node, [[name, undefined]]);
    }
    await this.remove(path);
  }

  async syncDirectory(path: string): Promise<void> {
    this.check('sync-directory', path);
    await this.syncNode(this.existing(path));
  }

  async space(): Promise<{ freeBytes: number; totalBytes: number }> {
    await this.turn();
    return { freeBytes: this.freeBytes, totalBytes: 1e12 };
  }

  /** Lets others run for a moment, as a real call would. */
  async turn(): Promise<void> {
    const turns = this.random === undefined ? 1 : 1 + Math.floor(this.random.next() * 4);
    for (let count = 0; count < turns; count++) await Promise.resolve();
  }

  check(kind: FileCall['kind'], path: string, bytes = 0): void {
    const error = this.inject?.({ kind, path, bytes });
    if (error !== undefined) throw error;
  }

  async syncNode(node: Node): Promise<void> {
    const token = this.nextToken++;
    this.trace.push({ kind: 'sync-begin', node: node.id, token });
    await this.turn();
    const turns = this.random === undefined ? 0 : Math.floor(this.random.next() * (this.syncTurns + 1));
    for (let count = 0; count < turns; count++) await new Promise((resolve) => setImmediate(resolve));
    this.trace.push({ kind: 'sync-end', node: node.id, token });
  }

  /** Changes a file's bytes and notes the step. */
  change(node: Node, step: Extract<DiskStep, { kind: 'write' | 'truncate' }>): void {
    node.modifiedMs = this.now();
    this.trace.push(step);
    const end = step.kind === 'write' ? step.position + step.bytes.length : step.sizeBytes;
    if (end > node.content!.length) {
      const larger = Buffer.alloc(Math.max(end, node.content!.length * 2));
      node.content!.copy(larger, 0, 0, node.sizeBytes);
      node.content = larger;
    }
    if (step.kind === 'write') {
      step.bytes.copy(node.content!, step.position);
      node.sizeBytes = Math.max(node.sizeBytes, end);
    } else {
      if (end < node.sizeBytes) node.content!.fill(0, end, node.sizeBytes);
      node.sizeBytes = end;
    }
  }

  private sealAll(): void {
    const seal = (node: Node) => {
      const token = this.nextToken++;
      this.trace.push({ kind: 'sync-begin', node: node.id, token }, { kind: 'sync-end', node: node.id, token });
      for (const child of node.names.values()) seal(child);
    };
    seal(this.root);
  }

  private addFile(path: string, id = this.nextId++): Node {
    const node: Node = { ...empty(), id, content: Buffer.alloc(0) };
    this.trace.push({ kind: 'make-file', node: node.id });
    this.changeNames(this.existing(dirname(path)), [[nameOf(path), node]]);
    return node;
  }

  private addDirectory(path: string): void {
    if (this.find(dirname(path)) === undefined) this.addDirectory(dirname(path));
    const node: Node = { ...empty(), id: this.nextId++, content: undefined };
    this.trace.push({ kind: 'make-directory', node: node.id });
    this.changeNames(this.existing(dirname(path)), [[nameOf(path), node]]);
  }

  private changeNames(directory: Node, changes: [string, Node | undefined][]): void {
    directory.modifiedMs = this.now();
    for (const [name, node] of changes) {
      if (node === undefined) directory.names.delete(name);
      else directory.names.set(name, node);
    }
    const noted = changes.map(([name, node]) => ({ name, node: node?.id }));
    this.trace.push({ kind: 'names', directory: directory.id, changes: noted });
  }

  private find(path: string): Node | undefined {
    let node: Node | undefined = this.root;
    for (const name of path.split('/')) if (name !== '') node = node?.names.get(name);
    return node;
  }

  private existing(path: string): Node {
    const node = this.find(path);
    if (node === undefined) throw failure('ENOENT', path);
    return node;
  }
}

class CrashFile implements OpenFile {
  readonly path: string;
  private readonly files: CrashFiles;
  private readonly node: Node;
  private closed = false;

  constructor(files: CrashFiles, path: string, node: Node) {
    this.files = files;
    this.path = path;
    this.node = node;
  }

  async size(): Promise<number> {
    return (await this.stat()).sizeBytes;
  }

  async stat(): Promise<FileStat> {
    await this.turn();
    return statOf(this.node);
  }

  async read(target: Uint8Array, position: number): Promise<number> {
    await this.turn();
    return this.readSync(target, position);
  }

  readSync(target: Uint8Array, position: number): number {
    const available = this.node.content!.subarray(Math.min(position, this.node.sizeBytes), this.node.sizeBytes);
    const bytes = available.subarray(0, target.length);
    target.set(bytes);
    return bytes.length;
  }

  async write(buffers: readonly Uint8Array[], position: number): Promise<void> {
    await this.turn();
    const bytes = Buffer.concat(buffers);
    const write = (part: Buffer) => {
      this.files.change(this.node, { kind: 'write', node: this.node.id, position, bytes: part });
    };
    try {
      this.files.check('write', this.path, bytes.length);
    } catch (error) {
      write(bytes.subarray(0, bytes.length >> 1));
      throw error;
    }
    write(bytes);
    await this.turn();
  }

  async sync(): Promise<void> {
    this.checkOpen();
    this.files.check('sync', this.path);
    await this.files.syncNode(this.node);
  }

  async truncate(sizeBytes: number): Promise<void> {
    await this.turn();
    this.files.check('truncate', this.path);
    this.files.change(this.node, { kind: 'truncate', node: this.node.id, sizeBytes });
  }

  async close(): Promise<void> {
    await this.files.turn();
    this.closed = true;
  }

  private checkOpen(): void {
    if (this.closed) throw failure('EBADF', this.path);
  }

  private turn(): Promise<void> {
    this.checkOpen();
    return this.files.turn();
  }
}

function empty() {
  return { sizeBytes: 0, names: new Map<string, Node>(), modifiedMs: 0 };
}

function statOf(node: Node): FileStat {
  const kind = node.content === undefined ? 'directory' : 'file';
  return { kind, sizeBytes: node.sizeBytes, identity: `1:${node.id}`, modifiedMs: node.modifiedMs };
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

function failure(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code });
}
