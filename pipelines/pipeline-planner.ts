// Pipelines of a configuration: names to topics and sinks, steps compiled (also those borrowed with `use`), one consumer group per edge.
import { messageOf } from '../base/errors.ts';
import { suggest } from './diagnostics.ts';
import type { EdgePlan, PipelinePlan, SinkPlan } from './plan.ts';
import type { Names } from './planner.ts';
import type { Reporter } from './reporter.ts';
import { type Config, type PipelineConfig, topicName } from './schema.ts';
import type { Path } from './source.ts';
import type { StepFiles } from './step-files.ts';
import { compileTopicPattern, patternSource, type TopicPattern } from './topic-pattern.ts';
import { compileSteps, fingerprintSteps } from './step-planner.ts';

export interface Known {
  /** Sinks without problems. */
  sinks: ReadonlyMap<string, SinkPlan>;
  names: Names;
  /** With a broker elsewhere topics may be filled by others. */
  external: boolean;
}

export class PipelinePlanner {
  private readonly pipelines: Readonly<Record<string, PipelineConfig>>;
  private readonly config: Config;
  private readonly known: Known;
  private readonly reporter: Reporter;
  private readonly files: StepFiles;

  constructor(config: Config, known: Known, files: StepFiles, reporter: Reporter) {
    this.files = files;
    this.config = config;
    this.known = known;
    this.reporter = reporter;
    this.pipelines = config.pipelines ?? {};
  }

  planAll(): PipelinePlan[] {
    return Object.entries(this.pipelines).map(([name, pipeline]) => this.plan(name, pipeline));
  }

  private plan(name: string, pipeline: PipelineConfig): PipelinePlan {
    const path = ['pipelines', name];
    const { start = 'earliest', until } = pipeline;
    if (start === 'latest' && until !== undefined)
      this.reporter.error(
        [...path, 'start'],
        'a job from latest to its end has nothing to read; leave one of them out',
      );
    const steps = this.findSteps(name, []);
    const { reporter, files } = this;
    const targets = [this.pipelines[String(steps?.path[1])]?.to ?? []].flat();
    return {
      name,
      ...this.planFrom(pipeline.from, [...path, 'from']),
      start,
      until,
      steps: steps === undefined ? [] : compileSteps(steps.list, steps.path, { targets, files, reporter }),
      stepsFingerprint: fingerprintSteps(steps?.list ?? [], steps?.path ?? [], { files, targets }),
      edges: this.planTargets(name, pipeline.to, [...path, 'to']),
      deadLetterTopic: `${name}.dlq`,
    };
  }

  private planFrom(from: string | string[], path: Path): Pick<PipelinePlan, 'from' | 'fromPatterns'> {
    const named: [string, Path][] = [];
    const fromPatterns: TopicPattern[] = [];
    for (const [text, at] of eachOnce(from, path, this.reporter)) {
      const source = patternSource(text);
      if (source === undefined) named.push([text, at]);
      else fromPatterns.push(...this.planPattern(source, at));
    }
    const matched = [...this.known.names.filled].filter((topic) => fromPatterns.some(({ matches }) => matches(topic)));
    return { from: [...new Set([...this.planNamed(named), ...matched])], fromPatterns };
  }

  private planPattern(source: string, at: Path): TopicPattern[] {
    try {
      const pattern = compileTopicPattern(source);
      const { filled } = this.known.names;
      if (!this.known.external && ![...filled].some((topic) => pattern.matches(topic)))
        this.reporter.warn(at, `nothing here writes to a topic that matches /${source}/`, 'value');
      return [pattern];
    } catch (error) {
      this.reporter.error(at, messageOf(error));
      return [];
    }
  }

  private planNamed(named: readonly [string, Path][]): string[] {
    return named.flatMap(([topic, at]) => {
      const valid = topicName.safeParse(topic);
      if (!valid.success) {
        this.reporter.error(at, `from: ${valid.error.issues[0]?.message ?? 'is no topic'}`);
        return [];
      }
      if (this.known.names.filled.has(topic) || this.known.external) return topic;
      this.reporter.error(at, this.explainUnfilled(topic));
      return [];
    });
  }

  private explainUnfilled(topic: string): string {
    const agent = Object.hasOwn(this.config.agents ?? {}, topic) ? this.config.agents?.[topic] : undefined;
    if (typeof agent === 'object')
      return `the agent ${topic} writes to the topic ${String(agent['to'])}: write from: ${String(agent['to'])}`;
    if (this.known.names.sinks.has(topic)) return `${topic} is a sink; pipelines read topics`;
    const near = suggest(topic, this.known.names.filled);
    return `nothing here writes to the topic "${topic}"${near || '; declare it under topics if other programs do'}`;
  }

  private planTargets(pipeline: string, to: string | string[], path: Path): EdgePlan[] {
    const groups = new Set<string>();
    return eachOnce(to, path, this.reporter).flatMap(([name, at]) => {
      const target = this.planTarget(name, at);
      if (target === undefined) return [];
      const group = `${pipeline}.${target.kind === 'sink' ? target.sink.name : target.topic}`;
      if (groups.has(group))
        this.reporter.error(
          at,
          `the sink and the topic ${name.replace(/^topic:/, '')} would share the consumer group ${group}: rename one`,
        );
      groups.add(group);
      return { group, target };
    });
  }

  private planTarget(name: string, at: Path): EdgePlan['target'] | undefined {
    if (name.startsWith('topic:')) {
      const topic = topicName.safeParse(name.slice('topic:'.length));
      if (topic.success) return { kind: 'topic', topic: topic.data };
      this.reporter.error(at, `to: ${topic.error.issues[0]?.message ?? 'is no topic'}`);
      return undefined;
    }
    const sink = this.known.sinks.get(name);
    if (sink !== undefined) return { kind: 'sink', sink };
    if (this.known.names.sinks.has(name)) return undefined;
    const reason = name.includes(':')
      ? 'a URL needs a name: put it under sinks, and the name here'
      : this.known.names.filled.has(name)
        ? `there is no sink "${name}"; for the topic write topic:${name}`
        : `there is no sink "${name}"${suggest(name, this.known.names.sinks)}`;
    this.reporter.error(at, reason);
    return undefined;
  }

  /** The list of steps and where it stands, through any number of `use`. */
  private findSteps(
    name: string,
    users: readonly string[],
  ): { list: Record<string, unknown>[]; path: Path } | undefined {
    const path = ['pipelines', name, 'steps'];
    const steps = this.pipelines[name]?.steps ?? [];
    if (Array.isArray(steps)) return { list: steps, path };
    const at = [...path, 'use'];
    if (users.includes(steps.use) || steps.use === name)
      this.reporter.error(at, `the steps are borrowed in a circle: ${[...users, name, steps.use].join(' → ')}`);
    else if (!this.known.names.pipelines.has(steps.use))
      this.reporter.error(at, `there is no pipeline "${steps.use}"${suggest(steps.use, this.known.names.pipelines)}`);
    else return this.findSteps(steps.use, [...users, name]);
    return undefined;
  }
}

/** The names with their paths; a name that stands twice is a problem. */
function eachOnce(names: string | string[], path: Path, reporter: Reporter): [string, Path][] {
  if (typeof names === 'string') return [[names, path]];
  return names.flatMap((name, index): [string, Path][] => {
    if (names.indexOf(name) === index) return [[name, [...path, index]]];
    reporter.error([...path, index], `${name} stands here twice`);
    return [];
  });
}
