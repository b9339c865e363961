// Plans and steps out of a few lines of YAML, with the real agents and sinks.
import { agentDefinitions } from '../../agents/index.ts';
import { renderDiagnostics } from '../../pipelines/diagnostics.ts';
import { loadPlan, type LoadResult } from '../../pipelines/load.ts';
import type { CompiledStep, Plan } from '../../pipelines/plan.ts';
import type { Event, EventMeta, Fields } from '../../pipelines/steps/step.ts';
import { getField } from '../../pipelines/steps/fields.ts';
import { sinkDefinitions } from '../../sinks/index.ts';

export const definitions = { agents: agentDefinitions, sinks: sinkDefinitions };

/** Loads texts as files of the given names. */
export function load(texts: Record<string, string>, env: Record<string, string> = {}): Promise<LoadResult> {
  const files = Object.keys(texts).filter((name) => name.endsWith('.yaml'));
  const readFile = (path: string) => {
    const text = texts[path];
    return text === undefined
      ? Promise.reject(new Error(`ENOENT: no such file or directory, open '${path}'`))
      : Promise.resolve(Buffer.from(text));
  };
  return loadPlan(files, { ...definitions, env, readFile });
}

/** The problems of one text, rendered. */
export async function problemsOf(text: string, env: Record<string, string> = {}): Promise<string> {
  return renderDiagnostics((await load({ 'a.yaml': text }, env)).problems);
}

export async function planOf(text: string, env: Record<string, string> = {}): Promise<Plan> {
  const { plan, problems } = await load({ 'a.yaml': text }, env);
  if (plan === undefined) throw new Error(renderDiagnostics(problems));
  return plan;
}

/** Steps written as in the YAML: a list, indented as one likes. */
export async function compile(steps: string): Promise<readonly CompiledStep[]> {
  const list = steps.split('\n').map((line) => `      ${line}`);
  const text = [
    'topics: { t: {} }',
    'sinks: { s: stdout }',
    'pipelines:',
    '  p:',
    '    from: t',
    '    to: s',
    '    steps:',
    ...list,
  ].join('\n');
  return (await planOf(text)).pipelines[0]!.steps;
}

export class TestEvent implements Event {
  readonly raw: Buffer;
  timestampMs: number;
  ordinal = 0;
  target: string | undefined;
  readonly meta: EventMeta = { topic: 't', partition: 0, offset: 7, path: '/var/log/x', host: 'h', position: 42 };
  private current: Fields | undefined;
  private line: Fields | undefined;
  private isChanged = false;

  constructor(line: string, timestampMs = Date.UTC(2026, 10, 22)) {
    this.raw = Buffer.from(line);
    this.timestampMs = timestampMs;
  }

  get message(): string {
    return this.raw.toString();
  }
  get fields(): Fields {
    return (this.current ??= this.line = { message: this.message });
  }
  set fields(fields: Fields) {
    this.current = fields;
    this.isChanged = true;
  }
  get changed(): boolean {
    return this.isChanged;
  }
  markChanged(): void {
    this.isChanged = true;
  }
  get isLine(): boolean {
    return !this.isChanged && this.current === this.line;
  }
  readAs(fields: Fields): void {
    this.current = fields;
  }
  get(path: string): unknown {
    return getField(this.fields, path);
  }
}

/** Runs one line through steps: "dropped", or the text that would go out. Errors are thrown (with on_error keep: ignored). */
export function runLine(steps: readonly CompiledStep[], event: TestEvent): string {
  for (const { step, when, onError } of steps) {
    try {
      if (when !== undefined && !when(event)) continue;
      if (step.apply(event) === 'drop') return 'dropped';
    } catch (error) {
      if (onError !== 'keep') throw error;
    }
  }
  return event.changed ? JSON.stringify(event.fields) : event.message;
}

/** The same in one call. */
export async function through(steps: string, line: string): Promise<string> {
  return runLine(await compile(steps), new TestEvent(line));
}
