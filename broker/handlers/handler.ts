// What a handler is: one API, the versions it serves, and a function from the request object to the response object. Handlers are thin: they check
// what the protocol demands, ask the log or a coordinator, and put the answer into the shape of the version. Requests of sockets and of this
// process come the same way.
//
// Order: a handler does everything that must happen in the order of the requests (appends above all) before its first await.
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { BrokerSettings } from '../config.ts';
import type { RequestContext } from '../coordinator/contract.ts';
import type { GroupCoordinator } from '../coordinator/group-coordinator.ts';
import type { TransactionCoordinator } from '../coordinator/transaction-coordinator.ts';
import type { LogDirectory } from '../log/contract.ts';
import type { ApiName, RequestOf, ResponseOf } from '../wire/apis.ts';
import type { FailedReads } from './failed-reads.ts';
import type { Users } from './users.ts';
import type { WaitingRequests } from './waiting.ts';

/** One line of ApiVersions. */
export interface AdvertisedApi {
  readonly api: ApiName;
  readonly key: number;
  readonly versions: readonly [number, number];
}

/** Where clients are told to connect. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** The parts of a running broker that handlers use. */
export interface BrokerParts {
  readonly nodeId: number;
  readonly log: LogDirectory;
  readonly groups: GroupCoordinator;
  readonly transactions: TransactionCoordinator;
  readonly settings: BrokerSettings;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly waiting: WaitingRequests;
  readonly failedReads: FailedReads;
  readonly users: Users;
  /** What ApiVersions says, from the registrations. */
  readonly advertised: readonly AdvertisedApi[];
  /** Finalized features (KIP-584) by name. */
  readonly features: ReadonlyMap<string, number>;
}

export interface HandlerContext extends RequestContext {
  readonly broker: BrokerParts;
  /** The address of the listener that the request came in on, as its clients are to see it. */
  readonly endpoint: Endpoint;
  /** The connection or process that asks: what waits for it is let go when it is gone (WaitingRequests.release). */
  readonly asker: object;
}

type Answer<K extends ApiName> = ResponseOf<K> | undefined;

export interface Handler<K extends ApiName> {
  readonly api: K;
  /** First and last version served. */
  readonly versions: readonly [number, number];
  /** Versions that ApiVersions lists, where that differs from what is served. */
  readonly advertised?: readonly [number, number];
  /**
   * Answers one request. Undefined where Kafka sends no response. Errors that a client is to see are in the response; what is thrown ends
   * the connection.
   */
  handle(request: RequestOf<K>, context: HandlerContext): Promise<Answer<K>> | Answer<K>;
}

/** Registers a handler: gives the object its type. */
export function handler<K extends ApiName>(definition: Handler<K>): Handler<K> {
  return definition;
}

/** Handlers by API; what is not there is not served. */
export type HandlerTable = { readonly [K in ApiName]?: Handler<K> };
