// The embedded broker: opens the log and the coordinators, listens where told to, and hands every request, from a socket or from this process, to the
// same handlers. A broker without listeners is legal: agents and pipelines of this process reach it as a RequestHandler.
//
// Order of opening: settings are checked, the log recovers (and holds the lock of the data directory), coordinators load their state, listeners
// open. Closing goes the other way: what waits is let go, what is under way is answered, the log is closed cleanly.
import type { Clock, Timer } from '../base/clock.ts';
import { messageOf, TailraceError } from '../base/errors.ts';
import type { Files } from '../base/files.ts';
import type { Lock } from '../base/lock.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import type { RequestHandler, RequestSender } from './client/contract.ts';
import { BrokerSettings, type SettingValue } from './config.ts';
import { GroupCoordinator } from './coordinator/group-coordinator.ts';
import { TransactionCoordinator } from './coordinator/transaction-coordinator.ts';
import { FailedReads } from './handlers/failed-reads.ts';
import { dispatch } from './handlers/dispatch.ts';
import type { BrokerParts, Endpoint } from './handlers/handler.ts';
import { advertisedApis, finalizedFeatures, handlers, servedVersions } from './handlers/table.ts';
import { Users } from './handlers/users.ts';
import { WaitingRequests } from './handlers/waiting.ts';
import type { LogDirectory, RecoveryCut } from './log/contract.ts';
import { openLogDirectory } from './log/log-directory.ts';
import { ConnectionLimits } from './server/connection-limits.ts';
import { type ListenAddress, Listener } from './server/listener.ts';
import { RequestBudget } from './server/request-budget.ts';
import type { ApiName, RequestOf, ResponseOf } from './wire/apis.ts';
import { offsetFetchRequest } from './wire/messages/09-offset-fetch.ts';
import { listGroupsRequest } from './wire/messages/16-list-groups.ts';

export interface BrokerOptions {
  /** Where the log is; made when it is not there. */
  dataDirectory: string;
  /** Addresses for sockets; none by default. */
  listen?: readonly ListenAddress[];
  /** Passwords by user, for listeners that ask for SASL. */
  users?: Readonly<Record<string, string>>;
  /** Broker settings under Kafka's names (broker/config.ts). */
  settings?: Readonly<Record<string, SettingValue>>;
  /** The most that all records may take on disk; 80 % of the file system when left out. */
  maxDiskBytes?: number;
  /** By topic: the groups that must have committed a record before `maxDiskBytes` may take it away. Nobody waits for other topics. */
  readers?: ReadonlyMap<string, readonly string[]>;
  files: Files;
  clock: Clock;
  random: Random;
  logger: Logger;
  /** Replaced by tests that run in memory. */
  lock?: (directory: string) => Promise<Lock>;
}

/** Nobody listens there: what requests of this process are told when there is no listener. */
const noEndpoint: Endpoint = { host: '127.0.0.1', port: 0 };

export class Broker implements RequestHandler {
  private readonly parts: BrokerParts;
  private readonly listeners: Listener[] = [];
  private maintenance: Timer | undefined;
  private underWay = 0;
  private idle: (() => void) | undefined;
  private closing: Promise<void> | undefined;
  private failure: Error | undefined;
  /** Resolves with the error when a write or sync failed for good: the broker stops answering then. Never resolves otherwise. */
  readonly failed: Promise<Error>;

  private constructor(parts: BrokerParts) {
    this.parts = parts;
    this.failed = parts.log.failed.then((error) => {
      this.failure = error;
      parts.logger.error('The log has failed; the broker stops', { error: error.message });
      for (const listener of this.listeners) listener.destroy();
      parts.waiting.close();
      return error;
    });
  }

  /**
   * Throws TLR_CONFIG for settings, TLR_LOCKED when another process has the directory, TLR_DATA_VERSION, TLR_LISTEN when an address cannot
   * be listened on; nothing stays open then.
   */
  static async open(options: BrokerOptions): Promise<Broker> {
    const settings = new BrokerSettings(options.settings);
    const { files, clock, random, logger } = options;
    let groups: GroupCoordinator | undefined;
    const log = await openLogDirectory({
      directory: options.dataDirectory,
      ...{ files, clock, random, logger },
      topicDefaults: (altered) => {
        settings.alter(altered);
        return settings.topicDefaults();
      },
      producerExpiryMs: () => settings.number('producer.id.expiration.ms'),
      ...(options.maxDiskBytes === undefined ? {} : { maxDiskBytes: options.maxDiskBytes }),
      ...(options.lock === undefined ? {} : { lock: options.lock }),
      deletableUntil: (topic, partition) => deliveredUntil(options.readers?.get(topic), groups, topic, partition),
    });
    for (const { name, ...values } of settings.overruled()) {
      logger.warn(
        `${name} is not what the configuration says: a request has altered it (kafka-configs --delete-config)`,
        values,
      );
    }
    const opened: { close(): Promise<void> | void }[] = [log];
    try {
      const dependencies = {
        log,
        clock,
        random,
        logger,
        setting: (name: string) => settings.number(name),
        word: (name: string) => settings.text(name),
      };
      groups = await GroupCoordinator.open(dependencies);
      opened.unshift(groups);
      const transactions = await TransactionCoordinator.open({ ...dependencies, groups });
      opened.unshift(transactions);
      await forgetDeletedTopics(log, groups);
      const broker = new Broker({
        nodeId: settings.number('node.id'),
        ...{ log, groups, transactions, settings, clock, logger },
        waiting: new WaitingRequests(clock),
        failedReads: new FailedReads(clock, logger),
        users: new Users(options.users ?? {}, random, log),
        advertised: advertisedApis,
        features: finalizedFeatures,
      });
      await broker.listen(options.listen ?? [], random);
      broker.scheduleMaintenance();
      return broker;
    } catch (error) {
      for (const part of opened) await part.close();
      throw error;
    }
  }

  /** Where it listens, in the order of the options. */
  get addresses(): readonly Endpoint[] {
    return this.listeners.map(({ address }) => address);
  }

  /**
   * Makes ready to show other certificates, of listeners in the order of the options. Returns what does it, and names those listeners: it cannot fail, and
   * closes no connection. Throws TLR_CONFIG when a key and its certificate are none or do not fit.
   */
  renewCertificates(identities: readonly ListenAddress['tls'][]): () => string[] {
    const renewals = this.listeners.flatMap((listener, index) => {
      const renew = listener.renewal(identities[index]);
      return renew === undefined ? [] : { renew, name: `${listener.address.host}:${listener.address.port}` };
    });
    return () =>
      renewals.map(({ renew, name }) => {
        renew();
        return name;
      });
  }

  /** The first address; undefined without listeners. */
  get address(): Endpoint | undefined {
    return this.addresses[0];
  }

  get clusterId(): string {
    return this.parts.log.clusterId;
  }

  /** Torn tails that recovery cut off at this start. */
  get recoveryCuts(): readonly RecoveryCut[] {
    return this.parts.log.recoveryCuts;
  }

  /** Whether a write or sync failed for good. */
  get hasFailed(): boolean {
    return this.failure !== undefined;
  }

  /** Open connections of clients. */
  get connections(): number {
    return this.listeners.reduce((sum, listener) => sum + listener.connectionCount, 0);
  }

  /** Fetches that wait for data at the moment. */
  get waitingRequests(): number {
    return this.parts.waiting.size;
  }

  /** The log, for what is no request: room on disk, retention, metrics. */
  get log(): LogDirectory {
    return this.parts.log;
  }

  versions(): ReadonlyMap<ApiName, readonly [number, number]> {
    return servedVersions;
  }

  features(): ReadonlyMap<string, number> {
    return finalizedFeatures;
  }

  handle<K extends ApiName>(
    api: K,
    version: number,
    body: RequestOf<K>,
    sender: RequestSender,
  ): Promise<ResponseOf<K> | undefined> {
    if (this.closing !== undefined) return Promise.reject(new TailraceError('TLR_CLOSED', 'The broker is closed'));
    if (this.failure !== undefined) return Promise.reject(this.failure);
    const endpoint = this.listeners[0]?.endpoint ?? noEndpoint;
    const answer = dispatch(handlers, api, body, { ...sender, version, broker: this.parts, endpoint, asker: sender });
    this.underWay++;
    const done = () => {
      if (--this.underWay === 0) this.idle?.();
    };
    answer.then(done, done);
    return answer;
  }

  /** Ends waiting requests, answers what is under way for at most `deadlineMs`, closes the log. A second call waits for the first. */
  close(deadlineMs = 5000): Promise<void> {
    this.closing ??= this.shutDown(deadlineMs);
    return this.closing;
  }

  private async listen(addresses: readonly ListenAddress[], random: Random): Promise<void> {
    const { settings } = this.parts;
    const budget = new RequestBudget(settings.number('queued.max.request.bytes'));
    const limits = new ConnectionLimits(settings);
    const backlog = settings.number('socket.listen.backlog.size');
    try {
      for (const address of addresses) {
        const house = { broker: this.parts, handlers, budget, limits, random, backlog };
        this.listeners.push(await Listener.open(address, house));
      }
    } catch (error) {
      for (const listener of this.listeners) listener.destroy();
      throw error;
    }
  }

  private async shutDown(deadlineMs: number): Promise<void> {
    const { clock, groups, log, logger, transactions, waiting } = this.parts;
    this.maintenance?.cancel();
    const drained = Promise.all(this.listeners.map((listener) => listener.drain()));
    waiting.close();
    await transactions.close();
    groups.close();
    const idle = new Promise<void>((resolve) => {
      if (this.underWay === 0) resolve();
      else this.idle = resolve;
    });
    let deadline: Timer | undefined;
    const late = new Promise<void>((resolve) => {
      deadline = clock.schedule(deadlineMs, () => {
        logger.warn('Closing with requests under way', { inProcess: this.underWay });
        resolve();
      });
    });
    await Promise.race([Promise.all([drained, idle]), late]);
    deadline?.cancel();
    for (const listener of this.listeners) listener.destroy();
    await log.close();
  }

  private scheduleMaintenance(): void {
    const { clock, log, logger, settings } = this.parts;
    this.maintenance = clock.schedule(settings.number('log.retention.check.interval.ms'), () => {
      log
        .maintain()
        .catch((error: unknown) => logger.error('Maintenance of the log failed', { error: messageOf(error) }))
        .finally(() => {
          if (this.closing === undefined) this.scheduleMaintenance();
        });
    });
  }
}

/** How far all `readers` have committed a partition; undefined when it has none. While groups are being loaded nothing counts as delivered. */
function deliveredUntil(
  readers: readonly string[] | undefined,
  groups: GroupCoordinator | undefined,
  topic: string,
  partition: number,
): number | undefined {
  if (readers === undefined || readers.length === 0) return undefined;
  return Math.min(...readers.map((group) => groups?.committedOffset(group, topic, partition) ?? 0));
}

/**
 * Committed offsets of topics that are gone: a crash may have come between the deletion of a topic and that of its offsets, and a new topic of the
 * same name must not begin at them.
 */
async function forgetDeletedTopics(log: LogDirectory, groups: GroupCoordinator): Promise<void> {
  const context = { clientId: 'broker', clientHost: '', inProcess: true };
  const { groups: listed } = await groups.listGroups(listGroupsRequest.create(), { ...context, version: 5 });
  const request = offsetFetchRequest.create({ groups: listed.map(({ groupId }) => ({ groupId, topics: null })) });
  const offsets = await groups.offsetFetch(request, { ...context, version: 9 });
  const names = new Set(offsets.groups.flatMap(({ topics }) => topics.map(({ name }) => name)));
  for (const name of names) if (log.topic(name) === undefined) await groups.forgetTopic(name);
}
