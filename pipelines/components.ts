// Agents and sinks of a configuration: a URL or a map with a type, to the definition that understands it and its parsed settings. The
// definitions are arguments, for pipelines know no agent.
import type { AgentDefinition } from '../agents/agent.ts';
import { messageOf } from '../base/errors.ts';
import type { SinkDefinition } from '../sinks/sink.ts';
import { suggest } from './diagnostics.ts';
import { type Issue, issuesOf } from './issues.ts';
import type { Reporter } from './reporter.ts';
import type { Path } from './source.ts';

type Definition = AgentDefinition<unknown> | SinkDefinition<unknown>;

export interface Resolved<Kind extends Definition> {
  definition: Kind;
  settings: unknown;
}

/** `own` are the keys beside `type` that belong to the planner and not to the component (`to`). Undefined after reporting what is wrong. */
export function resolveComponent<Kind extends Definition>(
  what: 'agent' | 'sink',
  value: string | Record<string, unknown>,
  path: Path,
  definitions: readonly Kind[],
  own: readonly string[],
  reporter: Reporter,
): Resolved<Kind> | undefined {
  const found = typeof value === 'string' ? fromUrl(value, definitions) : fromMap(value, definitions, own);
  if (found === undefined) {
    const types = definitions.map(({ type }) => type);
    const list = types.join(', ');
    if (typeof value === 'string') {
      const scheme = /^([a-z0-9+.-]+):/i.exec(value)?.[1];
      const reason =
        scheme === undefined
          ? `this is no URL of ${what === 'agent' ? 'an agent' : 'a sink'}`
          : types.includes(scheme)
            ? `${scheme} does not understand this URL`
            : `no ${what} understands ${scheme}:${suggest(scheme, types)}`;
      reporter.error(path, `${reason}; there are ${list}`);
    } else {
      const type = String(value['type']);
      reporter.error(
        [...path, 'type'],
        `there is no ${what} of type "${type}"${suggest(type, types) || `; there are ${list}`}`,
      );
    }
    return undefined;
  }
  try {
    return { definition: found.definition, settings: found.definition.settings.parse(found.settings) };
  } catch (error) {
    const issues = issuesOf(error, found.definition.settings, found.settings);
    if (issues === undefined) reporter.error(path, messageOf(error));
    // Of a URL all is in one place.
    else reporter.issues(path, typeof value === 'string' ? issues.map(({ message }) => wholeValue(message)) : issues);
    return undefined;
  }
}

function wholeValue(message: string): Issue {
  return { path: [], part: 'value', message };
}

interface Unparsed<Kind> {
  definition: Kind;
  settings: Record<string, unknown>;
}

/** The settings that a URL stands for, unparsed. */
export function fromUrl<Kind extends Definition>(
  url: string,
  definitions: readonly Kind[],
): Unparsed<Kind> | undefined {
  for (const definition of definitions) {
    const settings = definition.fromUrl(url);
    if (settings !== undefined) return { definition, settings };
  }
  return undefined;
}

function fromMap<Kind extends Definition>(
  value: Record<string, unknown>,
  definitions: readonly Kind[],
  own: readonly string[],
): Unparsed<Kind> | undefined {
  const definition = definitions.find(({ type }) => type === value['type']);
  if (definition === undefined) return undefined;
  const settings = Object.fromEntries(Object.entries(value).filter(([key]) => key !== 'type' && !own.includes(key)));
  return { definition, settings };
}
