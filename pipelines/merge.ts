// Several files as one configuration: maps of names are put together, everything else may stand in one file only. Places stay those of the
// file that said it.
import type { Diagnostic } from './diagnostics.ts';
import type { Locator, Path, Source } from './source.ts';

export interface MergedSource extends Locator {
  value: Record<string, unknown>;
  raw: Record<string, unknown>;
}

const namedMaps = new Set(['topics', 'agents', 'pipelines', 'sinks']);

/** Puts the files together; a name or setting that stands in two of them is a problem at the second place. */
export function mergeSources(sources: readonly Source[], problems: Diagnostic[]): MergedSource {
  const owners = new Map<string, Source>();
  const merged: MergedSource = { value: {}, raw: {}, locate, locateInside };

  function ownerOf(path: Path): Source | undefined {
    return owners.get(path.slice(0, 2).join('\n')) ?? owners.get(String(path[0])) ?? sources[0];
  }
  function locate(path: Path, part: 'key' | 'value') {
    return ownerOf(path)?.locate(path, part);
  }
  function locateInside(path: Path, start: number, length: number) {
    return ownerOf(path)?.locateInside(path, start, length);
  }
  function own(source: Source, path: Path): boolean {
    const key = path.join('\n');
    const first = owners.get(key);
    if (first === undefined) owners.set(key, source);
    if (first === undefined || first === source) return true;
    const place = source.locate(path, 'key');
    const where = first.locate(path, 'key');
    const message = `${path.join('.')} is there already${where === undefined ? '' : `, in ${where.file}:${where.line}`}`;
    problems.push({ severity: 'error', message, place });
    return false;
  }

  for (const source of sources) {
    const value = source.value as Record<string, unknown>;
    const raw = source.raw as Record<string, unknown>;
    for (const key of Object.keys(value)) {
      const inner = value[key];
      if (inner === null) continue;
      if (namedMaps.has(key) && isRecord(inner) && isRecord(raw[key])) {
        if (!owners.has(key)) owners.set(key, source);
        const [values, raws] = [part(merged.value, key), part(merged.raw, key)];
        for (const name of Object.keys(inner)) {
          if (!own(source, [key, name])) continue;
          values[name] = inner[name];
          raws[name] = raw[key][name];
        }
      } else if (own(source, [key])) {
        merged.value[key] = inner;
        merged.raw[key] = raw[key];
      }
    }
  }
  return merged;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function part(target: Record<string, unknown>, key: string): Record<string, unknown> {
  const existing = target[key];
  if (isRecord(existing)) return existing;
  const made: Record<string, unknown> = {};
  target[key] = made;
  return made;
}
