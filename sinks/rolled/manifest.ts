// What the manifests of all sinks with rolled files have in common: { "v": 1, "sink": TYPE, "files": [ … ] }, with the entries that each sink's publication.ts
// describes. The type is there because an edge is known by the name of its sink: who gives the name to a sink of another type must be told, for what was decided
// for the old one (and perhaps not published yet) means nothing to the new one.
import { z } from 'zod';
import { TailraceError } from '../../base/errors.ts';
import type { Manifest } from '../sink.ts';

/** The schema of a sink's manifests. Those of a process that was older lack the type. */
export function manifestSchema<Type extends string, Entry extends z.ZodType>(type: Type, entry: Entry) {
  return z.object({ v: z.literal(1), sink: z.literal(type).optional(), files: z.array(entry) });
}

const anyManifest = z.object({ sink: z.string() });

/**
 * Throws TailraceError: TLR_CONFIG when it was decided for a sink of another type, TLR_DATA_VERSION when a newer Tailrace wrote it.
 */
export function parseManifest<Schema extends z.ZodType>(
  type: string,
  schema: Schema,
  manifest: Manifest,
): z.infer<Schema> {
  const parsed = schema.safeParse(manifest);
  if (parsed.success) return parsed.data;
  const { data } = anyManifest.safeParse(manifest);
  if (data !== undefined && data.sink !== type) {
    const message =
      `the sink was of type ${data.sink} when this edge last wrote, and is ${type} now: give the new one a name of its own, ` +
      'for its records are delivered and counted apart from those of the old one';
    throw new TailraceError('TLR_CONFIG', message);
  }
  const issue = parsed.error.issues[0]?.message ?? 'unknown form';
  throw new TailraceError('TLR_DATA_VERSION', `a manifest of a sink of type ${type} cannot be read: ${issue}`);
}
