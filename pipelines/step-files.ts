// Files that steps need (tables of `lookup`): read once, when the configuration is loaded, relative to the configuration file that names them. Steps see
// nothing else of the disk.
import { createHash } from 'node:crypto';
import { dirname, isAbsolute, join } from 'node:path';
import { messageOf } from '../base/errors.ts';
import type { Locator, Path, SourceOptions } from './source.ts';
import { steps as definitions } from './steps/index.ts';

export class StepFiles {
  private readonly locator: Locator | undefined;
  /** By resolved path: what is in it, or why it could not be read. */
  private readonly contents = new Map<string, Buffer | string>();

  constructor(locator: Locator | undefined) {
    this.locator = locator;
  }

  /** Reads the files of all steps in a configuration, which need not be valid. */
  async readAll(config: Record<string, unknown>, readFile: SourceOptions['readFile']): Promise<void> {
    for (const { path, name } of namedFiles(config)) {
      const resolved = this.resolve(path, name);
      if (this.contents.has(resolved)) continue;
      try {
        this.contents.set(resolved, await readFile(resolved));
      } catch (error) {
        this.contents.set(resolved, `cannot read ${resolved}: ${messageOf(error)}`);
      }
    }
  }

  /** The contents of a file that a step at `path` names, or what is wrong with it. */
  get(path: Path, name: string): Buffer | string {
    return this.contents.get(this.resolve(path, name)) ?? `${name}: files can only be named in a configuration file`;
  }

  /** Changes when one of the files that these steps name does; empty without any. */
  fingerprint(list: readonly Record<string, unknown>[], path: Path): string {
    return filesOf(list, path)
      .map(({ name, path: at }) => createHash('sha256').update(this.get(at, name)).digest('hex'))
      .join(' ');
  }

  private resolve(path: Path, name: string): string {
    const file = this.locator?.locate(path, 'key')?.file;
    return isAbsolute(name) || file === undefined ? name : join(dirname(file), name);
  }
}

interface NamedFile {
  path: Path;
  name: string;
}

function namedFiles(config: Record<string, unknown>): NamedFile[] {
  return Object.entries(asRecord(config['pipelines'])).flatMap(([pipeline, value]) => {
    const { steps } = asRecord(value);
    return Array.isArray(steps) ? filesOf(steps.map(asRecord), ['pipelines', pipeline, 'steps']) : [];
  });
}

function filesOf(list: readonly Record<string, unknown>[], path: Path): NamedFile[] {
  return list.flatMap((item, index) =>
    definitions.flatMap((definition) => {
      const settings = definition.name in item ? definition.settings.safeParse(item[definition.name]) : undefined;
      if (settings?.success !== true) return [];
      return definition.files(settings.data).map((name) => ({ path: [...path, index, definition.name], name }));
    }),
  );
}

function asRecord(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
