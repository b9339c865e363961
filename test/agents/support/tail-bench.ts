// Starts and stops tail agents on a temporary folder for the tests of agents/.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Agent } from '../../../agents/agent.ts';
import { tailAgent } from '../../../agents/tail/agent.ts';
import { type Clock, systemClock } from '../../../base/clock.ts';
import type { Files, FileStat } from '../../../base/files.ts';
import { type Logger, silentLogger } from '../../../base/logger.ts';
import { nodeFiles } from '../../../base/node-files.ts';
import { type Random, systemRandom } from '../../../base/random.ts';
import type { HandleBudget } from '../../../agents/handle-budget.ts';
import type { KafkaClient } from '../../../broker/client/contract.ts';

export interface TailOptions {
  once?: boolean;
  topic?: string;
  name?: string;
  logger?: Logger;
  random?: Random;
  files?: Files;
  excluded?: ReadonlySet<string>;
  handles?: HandleBudget;
}

/** Time that runs twenty times as fast, so that what takes seconds in life is tested in none. */
const haste = 20;
const startedMs = Date.now();
export const hastyClock: Clock = {
  now: () => startedMs + (Date.now() - startedMs) * haste,
  monotonicMs: () => performance.now() * haste,
  schedule: (delayMs, action) => systemClock.schedule(delayMs / haste, action),
};

const startedNanoseconds = BigInt(startedMs) * 1_000_000n;
const hurriedBirth = (born: string) =>
  (startedNanoseconds + (BigInt(born) - startedNanoseconds) * BigInt(haste)).toString();

/** The same files, made and changed in that time. */
function hasty(files: Files): Files {
  const hurried = (stat: FileStat): FileStat => ({
    ...stat,
    modifiedMs: startedMs + (stat.modifiedMs - startedMs) * haste,
    ...(stat.born === undefined ? {} : { born: hurriedBirth(stat.born) }),
  });
  return {
    ...files,
    stat: async (path) => {
      const stat = await files.stat(path);
      return stat && hurried(stat);
    },
    open: async (path, mode) => {
      const file = await files.open(path, mode);
      const stat = file.stat.bind(file);
      file.stat = async () => hurried(await stat());
      return file;
    },
  };
}

export class TailBench {
  readonly folder = mkdtempSync(join(tmpdir(), 'tailrace-tail-'));
  private readonly started: Agent[] = [];

  path(name: string): string {
    return join(this.folder, name);
  }

  /** An agent that has begun to read; `paths` are relative to the folder. */
  async start(
    client: KafkaClient,
    settings: { paths: string[] } & Record<string, unknown>,
    options: TailOptions = {},
  ): Promise<Agent> {
    const paths = settings.paths.map((path) => this.path(path));
    const parsed = tailAgent.settings.parse({ rescan: '200ms', ...settings, paths });
    const agent = tailAgent.create(
      parsed,
      options.topic ?? 'lines',
      {
        ...{ name: options.name ?? 'app', instance: 'one', host: 'here', client },
        ...{ files: hasty(options.files ?? nodeFiles), clock: hastyClock },
        ...{ random: options.random ?? systemRandom, logger: options.logger ?? silentLogger },
        ...(options.handles === undefined ? {} : { handles: options.handles }),
        ...(options.excluded === undefined ? {} : { excludedIdentities: options.excluded }),
      },
      { once: options.once ?? false },
    );
    this.started.push(agent);
    await agent.start();
    return agent;
  }

  /** Reads everything once and stops. */
  async once(
    client: KafkaClient,
    settings: { paths: string[] } & Record<string, unknown>,
    options: TailOptions = {},
  ): Promise<Agent> {
    const agent = await this.start(client, settings, { ...options, once: true });
    await agent.drained();
    await agent.stop(1_000);
    return agent;
  }

  async close(): Promise<void> {
    await Promise.all(this.started.map((agent) => agent.stop(1_000)));
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Waits until `condition` holds; the test's own time limit ends a hopeless wait, with what was there last in the message. */
export async function until(
  condition: () => boolean,
  describeState: () => string = () => '',
  limitMs = 15_000,
): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`It did not come to pass. ${describeState()}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
