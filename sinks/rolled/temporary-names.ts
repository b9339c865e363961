// Names of unpublished files: `.<edge>.<scope>.<instance>.<generation>.<number>.tmp`, all in the path's fixed folder so that recovery finds them
// whatever folders the final names are in. The scope is a hash of edge and partition; instance and generation keep a writer that does
// not know yet that it was replaced from writing into its successor's file.
import { createHash } from 'node:crypto';
import type { Random } from '../../base/random.ts';
import type { WriterScope } from '../sink.ts';

export interface Writer {
  edge: string;
  instance: string;
  generation: number;
}

export interface TemporaryName {
  scope: string;
  /** A hash of it. */
  instance: string;
  generation: number;
  /** Whether a writer of this instance made it. */
  isOf(instance: string): boolean;
}

function short(text: string, length: number): string {
  return text.replace(/[^A-Za-z0-9_-]/g, '-').slice(0, length);
}

function hash(text: string, length: number): string {
  return createHash('sha256').update(text).digest('hex').slice(0, length);
}

/** The same for every writer of this scope, wherever it runs. */
export function scopeTag(edge: string, scope: WriterScope): string {
  const which =
    scope.kind === 'edge' ? 'edge' : `${scope.coordinates.topicId.toString('hex')}/${scope.coordinates.partition}`;
  return hash(`${edge}\n${which}`, 16);
}

const numberBytes = 6;

/**
 * A number for a name that a manifest may hold: no name is ever used twice, by whatever session of whatever process. A manifest that is published again after
 * a crash would take a later file of the same name for its own; and the generation does not tell sessions apart, for a static member comes back into its old one.
 */
export function randomNumber(random: Random): number {
  return random.bytes(numberBytes).readUIntBE(0, numberBytes);
}

/** The name (without folder) of the writer's file of this number. */
export function temporaryName(writer: Writer, scope: string, number: number): string {
  return `.${short(writer.edge, 60)}.${scope}.${hash(writer.instance, 12)}.${writer.generation}.${number}.tmp`;
}

/** What a name says; undefined when it is not one of ours. */
export function readTemporaryName(name: string): TemporaryName | undefined {
  const match = /^\.[A-Za-z0-9_-]*\.([0-9a-f]{16})\.([0-9a-f]{12})\.(-?\d+)\.\d+\.tmp$/.exec(name);
  if (match === null) return undefined;
  const instance = match[2]!;
  return { scope: match[1]!, instance, generation: Number(match[3]), isOf: (name) => hash(name, 12) === instance };
}

/**
 * Whether this writer may remove the file as left over: a file of its own instance (one writer per scope and process, one process per
 * instance), or of a generation that is over.
 */
export function isLeftOver(name: TemporaryName, writer: Writer, scope: string): boolean {
  return name.scope === scope && (name.isOf(writer.instance) || name.generation <= writer.generation);
}
