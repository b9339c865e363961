// Reloading inside the running process: a SIGHUP makes it read its configuration files again and apply what is different (Appliance.apply); the outcome goes to
// the log, and to the `tailrace reload` commands that asked. What cannot be applied changes nothing.
import type { Clock } from '../base/clock.ts';
import { messageOf, TailraceError } from '../base/errors.ts';
import type { Files } from '../base/files.ts';
import type { Logger } from '../base/logger.ts';
import { renderDiagnostics } from '../pipelines/diagnostics.ts';
import type { LoadResult } from '../pipelines/load.ts';
import type { Plan } from '../pipelines/plan.ts';
import { answerRequests, pendingRequests, type ReloadAnswer, removeOldAnswers } from './reload-requests.ts';

export interface ReloaderOptions {
  dataDirectory: string;
  /** Loads the files that the process was started with. */
  load(): Promise<LoadResult>;
  /** See Appliance.apply. */
  apply(plan: Plan): Promise<readonly string[]>;
  files: Files;
  clock: Clock;
  logger: Logger;
}

export class Reloader {
  private readonly options: ReloaderOptions;
  private wanted = false;
  private running: Promise<void> | undefined;

  constructor(options: ReloaderOptions) {
    this.options = options;
  }

  /** Reloads, once more after the one under way. Resolves when that is done; never rejects. */
  request(): Promise<void> {
    this.wanted = true;
    this.running ??= this.run().finally(() => (this.running = undefined));
    return this.running;
  }

  /** Resolves when no reload is under way. */
  async idle(): Promise<void> {
    await this.running;
  }

  private async run(): Promise<void> {
    const { dataDirectory, files, clock, logger } = this.options;
    try {
      while (this.wanted) {
        this.wanted = false;
        // Before the files are read: who asks later may have changed them since.
        const asked = await pendingRequests(files, dataDirectory);
        const answer = await this.reload();
        this.report(answer);
        await answerRequests(files, dataDirectory, asked, answer);
        await removeOldAnswers(files, dataDirectory, clock.now());
      }
    } catch (error) {
      logger.warn('the outcome of a reload could not be told to who asked for it', { error: messageOf(error) });
    }
  }

  private async reload(): Promise<ReloadAnswer> {
    try {
      const { plan, problems } = await this.options.load();
      if (plan === undefined)
        return { outcome: 'refused', changes: [], problem: renderDiagnostics(problems), code: 'TLR_CONFIG' };
      for (const warning of plan.warnings) this.options.logger.warn(warning);
      return { outcome: 'applied', changes: await this.options.apply(plan) };
    } catch (error) {
      const code = error instanceof TailraceError ? error.code : 'TLR_INTERNAL';
      return { outcome: 'refused', changes: [], problem: messageOf(error), code };
    }
  }

  private report({ outcome, changes, problem }: ReloadAnswer): void {
    const { logger } = this.options;
    if (outcome === 'refused') logger.error('not reloaded, the old configuration goes on', { problem });
    else if (changes.length === 0) logger.info('reloaded: nothing has changed');
    else logger.info('reloaded', { changes: changes.join(', ') });
  }
}

/** For a process that cannot reload: says so to commands that asked. A SIGHUP that nobody asked for, the terminal's, ends it as ever: `end`. */
export async function refuseReload(
  { dataDirectory, files, logger }: Pick<ReloaderOptions, 'dataDirectory' | 'files' | 'logger'>,
  end: () => void,
): Promise<void> {
  const problem = 'this process was not started by `tailrace up` to stay, so it has no configuration to reload';
  try {
    const asked = await pendingRequests(files, dataDirectory);
    if (asked.length === 0) {
      end();
      return;
    }
    logger.warn('not reloaded', { problem });
    await answerRequests(files, dataDirectory, asked, { outcome: 'refused', changes: [], problem, code: 'TLR_USAGE' });
  } catch (error) {
    logger.warn('the outcome of a reload could not be told to who asked for it', { error: messageOf(error) });
  }
}
