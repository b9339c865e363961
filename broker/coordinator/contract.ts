// What handlers ask of the coordinators, and what the coordinators need of the house. Requests and responses are the
// message objects of broker/wire; a coordinator never sees a socket.
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Random } from '../../base/random.ts';
import type { LogDirectory } from '../log/contract.ts';

/** Who sent a request and in which version: some behaviours differ by version. */
export interface RequestContext {
  version: number;
  clientId: string;
  clientHost: string;
  /** True for requests of this process (agents, pipelines): a restart ends such members at once. */
  inProcess: boolean;
}

export interface CoordinatorDependencies {
  log: LogDirectory;
  clock: Clock;
  random: Random;
  logger: Logger;
  /** Value of a broker setting under Kafka's name, already typed (broker/config.ts). */
  readonly setting: (name: string) => number;
  /** Value of one that is a word. */
  readonly word: (name: string) => string;
}
