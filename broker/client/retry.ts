// Trying again: what may be repeated, how long to wait in between, and when to give up. Everything of the client that repeats a request does it
// through here, so that a broker that is away meets backing-off callers and not a storm.
import { Backoff } from '../../base/backoff.ts';
import { type Clock, sleep } from '../../base/clock.ts';
import { TailraceError } from '../../base/errors.ts';
import type { Random } from '../../base/random.ts';

export interface RetryOptions {
  /** Gives up, with the last error, when this long has passed since the start; never when it is left out. */
  withinMs?: number;
  /** Ends the waiting with the signal's reason. */
  signal?: AbortSignal;
  /** Whether to repeat after this error; those that say they are retriable, unless told. */
  retriable?: (error: unknown) => boolean;
  /** Called before each waiting. */
  onRetry?: (error: unknown, attempt: number) => void;
}

/** Whether the same request may succeed later without anybody changing anything. */
export function isRetriable(error: unknown): boolean {
  return error instanceof TailraceError && error.retriable;
}

/** Repeats `action` with growing pauses (10 ms to 1 s) until it succeeds, fails for good, or the time is over. */
export async function retry<T>(
  surroundings: { clock: Clock; random: Random },
  action: (attempt: number) => Promise<T>,
  options: RetryOptions = {},
): Promise<T> {
  const { clock, random } = surroundings;
  const retriable = options.retriable ?? isRetriable;
  const backoff = new Backoff({ firstMs: 10, maxMs: 1000 }, random);
  const startedMs = clock.monotonicMs();
  for (let attempt = 1; ; attempt++) {
    options.signal?.throwIfAborted();
    try {
      return await action(attempt);
    } catch (error) {
      if (!retriable(error)) throw error;
      const delayMs = backoff.nextMs();
      if (clock.monotonicMs() + delayMs - startedMs > (options.withinMs ?? Infinity)) throw error;
      options.onRetry?.(error, attempt);
      await sleep(clock, delayMs, options.signal);
    }
  }
}
