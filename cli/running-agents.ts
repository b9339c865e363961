// The agents that run: started one after the other, replaced while others go on, stopped together.
import { hostname } from 'node:os';
import type { Agent, AgentContext } from '../agents/agent.ts';
import { messageOf, TailraceError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { AgentPlan } from '../pipelines/plan.ts';
import type { Changes } from '../pipelines/plan-difference.ts';

export interface AgentsOptions {
  context: Omit<AgentContext, 'name' | 'host' | 'logger'>;
  logger: Logger;
  /** See AgentDefinition.create. */
  once: boolean;
}

type Change = Changes<AgentPlan>['changed'][number];

export class RunningAgents {
  private readonly options: AgentsOptions;
  private readonly agents = new Map<string, Agent>();
  private readonly failure = Promise.withResolvers<never>();

  constructor(options: AgentsOptions) {
    this.options = options;
    this.failure.promise.catch(() => undefined);
  }

  /** Rejects when one of them ended for good, but not for having been stopped; never resolves. */
  get failed(): Promise<never> {
    return this.failure.promise;
  }

  get count(): number {
    return this.agents.size;
  }

  entries(): [string, Agent][] {
    return [...this.agents];
  }

  /** Rejects when the configuration cannot work; the agent is not there then. */
  async start({ name, place, definition, settings, topic }: AgentPlan): Promise<void> {
    const { context, logger, once } = this.options;
    const agent = definition.create(
      settings,
      topic,
      { ...context, name, host: hostname(), logger: logger.child({ agent: name }) },
      { once },
    );
    this.agents.set(name, agent);
    agent.failed.catch((error: unknown) => {
      if (this.agents.get(name) === agent) this.failure.reject(error);
    });
    try {
      await agent.start();
    } catch (error) {
      this.agents.delete(name);
      await agent.stop(0).catch(() => undefined);
      if (!(error instanceof TailraceError)) throw error;
      throw new TailraceError(error.code, `${place}: ${error.message}`, { cause: error });
    }
  }

  /** Reads certificates again, of those that run under the same name. Returns what puts them to use where the agent is the same then, and says at which addresses. */
  async renewal(plans: readonly AgentPlan[]): Promise<() => string[]> {
    const renewals = await Promise.all(
      plans.map(async ({ name, settings }) => {
        const agent = this.agents.get(name);
        return { name, agent, renew: await agent?.renewal?.(settings) };
      }),
    );
    return () =>
      renewals.flatMap(({ name, agent, renew }) =>
        renew !== undefined && this.agents.get(name) === agent ? renew() : [],
      );
  }

  /** Those that can, change as they run. Of the others those that end or change are stopped first: what comes may need the address that another one had. */
  async replace(changes: Changes<AgentPlan>, deadlineMs: number): Promise<void> {
    const changed: Change[] = [];
    const replaced: Change[] = [];
    try {
      for (const change of changes.changed) ((await this.change(change)) ? changed : replaced).push(change);
      await this.exchange(
        [...changes.removed, ...replaced.map(({ from }) => from)],
        [...replaced.map(({ to }) => to), ...changes.added],
        deadlineMs,
      );
    } catch (error) {
      for (const { from, to } of changed) {
        await this.change({ from: to, to: from }).catch((problem: unknown) => this.failure.reject(problem));
      }
      throw error;
    }
  }

  async stopAll(leftMs: () => number): Promise<void> {
    await Promise.all([...this.agents.keys()].map((name) => this.stop(name, leftMs(), true)));
  }

  /** False when another one has to take its place. */
  private async change({ from, to }: Change): Promise<boolean> {
    if (from.definition !== to.definition) return false;
    return (await this.agents.get(to.name)?.change?.(to.settings, to.topic)) ?? false;
  }

  private async exchange(
    leaving: readonly AgentPlan[],
    coming: readonly AgentPlan[],
    deadlineMs: number,
  ): Promise<void> {
    await Promise.all(leaving.map(({ name }) => this.stop(name, deadlineMs)));
    const started: AgentPlan[] = [];
    try {
      for (const plan of coming) {
        await this.start(plan);
        started.push(plan);
      }
    } catch (error) {
      await this.restore(started, leaving, deadlineMs);
      throw error;
    }
  }

  /** As it was before. When even that cannot be, lines would stay unread and nobody notice: the process ends with the reason instead. */
  private async restore(
    started: readonly AgentPlan[],
    stopped: readonly AgentPlan[],
    deadlineMs: number,
  ): Promise<void> {
    await Promise.all(started.map(({ name }) => this.stop(name, deadlineMs)));
    try {
      for (const plan of stopped) await this.start(plan);
    } catch (error) {
      this.failure.reject(error);
    }
  }

  /** With `keep` its account can still be asked for. */
  private async stop(name: string, deadlineMs: number, keep = false): Promise<void> {
    const agent = this.agents.get(name);
    if (!keep) this.agents.delete(name);
    try {
      await agent?.stop(deadlineMs);
    } catch (error) {
      this.options.logger.warn('an agent did not stop cleanly', { agent: name, error: messageOf(error) });
    }
  }
}
