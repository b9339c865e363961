// What a disk may hold after the power fails, by the weakest rules that file systems keep (measured on ext4 and xfs, see also ALICE, OSDI 2014):
// - Bytes of a file are safe after a sync that began after they were written. Of the others any subset may be there, in pieces of 512 bytes,
//   and where the file grew a piece that is missing reads as zeros, or the file is shorter.
// - Names are safe after a sync of their directory. Of unsynced creations, renames and removals any subset may have happened; a rename is
//   atomic. Syncing a file does not make its name safe.
// A model takes in the steps of a trace, one by one, and draws states.
import type { Random } from '../../base/random.ts';

const sectorBytes = 512;

export type DiskStep =
  | { kind: 'write'; node: number; position: number; bytes: Buffer }
  | { kind: 'truncate'; node: number; sizeBytes: number }
  | { kind: 'sync-begin'; node: number; token: number }
  | { kind: 'sync-end'; node: number; token: number }
  /** Names that change together in one directory: node, or undefined for a removal. */
  | { kind: 'names'; directory: number; changes: { name: string; node: number | undefined }[] }
  | { kind: 'make-file'; node: number }
  | { kind: 'make-directory'; node: number };

type FileStep = Extract<DiskStep, { kind: 'write' | 'truncate' }>;
type NamesStep = Extract<DiskStep, { kind: 'names' }>;

interface FileNode {
  kind: 'file';
  safe: Buffer;
  unsafe: FileStep[];
}

interface DirectoryNode {
  kind: 'directory';
  safe: Map<string, number>;
  unsafe: NamesStep[];
}

/** Files by path, and directories. One node may have several names. */
export interface DiskImage {
  files: Map<string, { node: number; content: Buffer }>;
  directories: Set<string>;
}

export class DiskModel {
  private readonly nodes = new Map<number, FileNode | DirectoryNode>();
  /** Syncs under way by token: how many unsafe steps of the node each covers. */
  private readonly syncs = new Map<number, { node: FileNode | DirectoryNode; covered: number }>();

  /** Node 0 is the root directory. */
  constructor() {
    this.nodes.set(0, { kind: 'directory', safe: new Map(), unsafe: [] });
  }

  take(step: DiskStep): void {
    switch (step.kind) {
      case 'make-file':
        this.nodes.set(step.node, { kind: 'file', safe: Buffer.alloc(0), unsafe: [] });
        break;
      case 'make-directory':
        this.nodes.set(step.node, { kind: 'directory', safe: new Map(), unsafe: [] });
        break;
      case 'names':
        this.directory(step.directory).unsafe.push(step);
        break;
      case 'write':
      case 'truncate':
        this.file(step.node).unsafe.push(step);
        break;
      case 'sync-begin':
        this.beginSync(step.token, this.nodes.get(step.node)!);
        break;
      case 'sync-end':
        this.endSync(step.token);
        break;
    }
  }

  /** One state that the disk may be in if the power fails now. */
  crash(random: Random): DiskImage {
    // All, nothing, or each with a chance of its own.
    const draw = random.next();
    const chance = draw < 0.15 ? 0 : draw < 0.3 ? 1 : random.next();
    const image: DiskImage = { files: new Map(), directories: new Set() };
    this.collect(0, '', image, new Map(), chance, random);
    return image;
  }

  private collect(
    node: number,
    path: string,
    image: DiskImage,
    contents: Map<number, Buffer>,
    chance: number,
    random: Random,
  ): void {
    const found = this.nodes.get(node)!;
    if (found.kind === 'file') {
      const content = contents.get(node) ?? crashedContent(found, chance, random);
      contents.set(node, content);
      image.files.set(path, { node, content });
      return;
    }
    if (path !== '') image.directories.add(path);
    const names = new Map(found.safe);
    for (const step of found.unsafe) if (random.next() < chance) applyNames(names, step);
    for (const [name, child] of names) this.collect(child, `${path}/${name}`, image, contents, chance, random);
  }

  private beginSync(token: number, node: FileNode | DirectoryNode): void {
    this.syncs.set(token, { node, covered: node.unsafe.length });
  }

  private endSync(token: number): void {
    const { node, covered } = this.syncs.get(token)!;
    this.syncs.delete(token);
    if (node.kind === 'file') {
      for (const step of node.unsafe.splice(0, covered)) node.safe = applyWhole(node.safe, step);
    } else {
      for (const step of node.unsafe.splice(0, covered)) applyNames(node.safe, step);
    }
    // Other syncs of this node that are under way: what is safe already is not counted again.
    for (const other of this.syncs.values()) {
      if (other.node === node) other.covered = Math.max(0, other.covered - covered);
    }
  }

  private file(node: number): FileNode {
    return this.nodes.get(node) as FileNode;
  }

  private directory(node: number): DirectoryNode {
    return this.nodes.get(node) as DirectoryNode;
  }
}

function applyNames(names: Map<string, number>, step: NamesStep): void {
  for (const { name, node } of step.changes) {
    if (node === undefined) names.delete(name);
    else names.set(name, node);
  }
}

function applyWhole(content: Buffer, step: FileStep): Buffer {
  if (step.kind === 'truncate') return resized(content, step.sizeBytes);
  const result = resized(content, Math.max(content.length, step.position + step.bytes.length));
  step.bytes.copy(result, step.position);
  return result;
}

function crashedContent(file: FileNode, chance: number, random: Random): Buffer {
  let content: Buffer = Buffer.from(file.safe);
  for (const step of file.unsafe) {
    if (random.next() < chance) content = applyWhole(content, step);
    else if (step.kind === 'write' && random.next() < 0.5 && chance > 0) content = applyTorn(content, step, random);
  }
  return content;
}

/** Some of the sectors that the write touches; the file may have its new size although bytes are missing. */
function applyTorn(content: Buffer, step: Extract<FileStep, { kind: 'write' }>, random: Random): Buffer {
  const end = step.position + step.bytes.length;
  let result: Buffer = random.next() < 0.5 ? resized(content, Math.max(content.length, end)) : Buffer.from(content);
  const chance = random.next();
  for (let start = step.position; start < end;) {
    const next = Math.min(end, (Math.floor(start / sectorBytes) + 1) * sectorBytes);
    if (random.next() < chance) {
      result = resized(result, Math.max(result.length, next));
      step.bytes.copy(result, start, start - step.position, next - step.position);
    }
    start = next;
  }
  return result;
}

function resized(content: Buffer, sizeBytes: number): Buffer {
  const result = Buffer.alloc(sizeBytes);
  content.copy(result, 0, 0, Math.min(sizeBytes, content.length));
  return result;
}
