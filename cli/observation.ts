// What there is to know of a running appliance, and the page of metrics made of it. Collected when somebody asks: from the accounts, the log, and the
// broker's offsets, so numbers here are those of the ledger and of `tailrace groups`.
import type { AgentLedger } from '../agents/agent.ts';
import { type Clock, sleep } from '../base/clock.ts';
import { MetricsPage } from '../base/metrics.ts';
import type { Broker } from '../broker/broker.ts';
import type { KafkaClient } from '../broker/client/contract.ts';
import type { Account } from '../pipelines/account.ts';
import type { EdgeState } from '../pipelines/edge.ts';
import { groupLag, type PartitionLag } from '../pipelines/lag.ts';
import type { OutageStatus } from '../base/outage.ts';
import { version } from './version.ts';

const lagPatienceMs = 2000;

export interface ObservedEdge {
  edge: string;
  state: EdgeState;
  account: Account;
  outage: OutageStatus;
  /** Those whose records from the beginning on are all for this edge. */
  topics: readonly string[];
}

export interface Observed {
  broker: Broker | undefined;
  client: KafkaClient;
  agents: readonly { agent: string; ledger: AgentLedger }[];
  edges: readonly ObservedEdge[];
}

/** `loopDelays`: by quantile, in seconds. */
export async function metricsPage(
  observed: Observed,
  clock: Clock,
  loopDelays: Readonly<Record<string, number>>,
): Promise<string> {
  const page = new MetricsPage();
  page.add('tailrace_info', { version }, 1);
  for (const { agent, ledger } of observed.agents) {
    for (const [topic, lines] of Object.entries(ledger.committedLines))
      page.add('tailrace_agent_lines_total', { agent, topic }, lines);
    page.add('tailrace_agent_bytes_total', { agent }, ledger.committedBytes);
    page.add('tailrace_agent_destroyed_bytes_total', { agent }, ledger.destroyedBytes);
  }
  for (const edge of observed.edges) addEdge(page, edge);
  await Promise.all(observed.edges.map((edge) => addLag(page, observed.client, clock, edge)));
  if (observed.broker !== undefined) addBroker(page, observed.broker);
  addProcess(page, clock, loopDelays);
  return page.render();
}

function addEdge(page: MetricsPage, { edge, state, account, outage }: ObservedEdge): void {
  page.add('tailrace_edge_read_total', { edge }, account.in);
  page.add('tailrace_edge_delivered_total', { edge }, account.out);
  page.add('tailrace_edge_already_there_total', { edge }, account.alreadyThere);
  page.add('tailrace_edge_dropped_total', { edge }, account.dropped);
  page.add('tailrace_edge_dead_letters_total', { edge }, account.dead);
  page.add('tailrace_edge_retries_total', { edge }, outage.retries);
  page.add('tailrace_edge_outages_total', { edge }, outage.outages);
  page.add('tailrace_edge_paused', { edge }, state === 'paused' ? 1 : 0);
  page.add('tailrace_edge_needs_somebody', { edge }, outage.needsSomebody ? 1 : 0);
  page.add('tailrace_edge_outage_seconds', { edge }, outage.seconds);
}

/** Left out of topics with a partition that is offline, and while the broker does not answer soon: the others' numbers must not wait for it. */
async function addLag(
  page: MetricsPage,
  client: KafkaClient,
  clock: Clock,
  { edge, topics }: ObservedEdge,
): Promise<void> {
  const lags = await Promise.race([
    groupLag(client, clock, edge, topics).catch((): PartitionLag[] => []),
    sleep(clock, lagPatienceMs).then((): PartitionLag[] => []),
  ]);
  for (const topic of new Set(lags.map((lag) => lag.topic))) {
    const own = lags.filter((lag) => lag.topic === topic);
    const known = own.flatMap(({ lagRecords }) => lagRecords ?? []);
    if (known.length < own.length) continue;
    const records = known.reduce((sum, lagRecords) => sum + lagRecords, 0);
    const seconds = own.flatMap(({ lagSeconds }) => lagSeconds ?? []);
    page.add('tailrace_edge_lag_records', { edge, topic }, records);
    if (seconds.length > 0) page.add('tailrace_edge_lag_seconds', { edge, topic }, Math.max(...seconds));
  }
}

function addBroker(page: MetricsPage, broker: Broker): void {
  const { log } = broker;
  page.addHistogram('tailrace_log_sync_seconds', log.commits.syncSeconds);
  page.add('tailrace_log_commit_rounds_total', {}, log.commits.syncSeconds.count);
  page.add('tailrace_log_written_bytes_total', {}, log.commits.writtenBytes);
  page.add('tailrace_log_failed', {}, broker.hasFailed ? 1 : 0);
  page.add('tailrace_log_partitions_offline', {}, log.offline.length);
  addCuts(page, broker);
  page.add('tailrace_broker_connections', {}, broker.connections);
  for (const { name, partitions } of log.topics()) {
    let sizeBytes = 0;
    for (let partition = 0; partition < partitions; partition++) sizeBytes += sizeOf(broker, name, partition);
    page.add('tailrace_topic_size_bytes', { topic: name }, sizeBytes);
  }
}

/** Topics whose names begin as Kafka's own do hold state: of groups, transactions, agents, edges. */
function addCuts(page: MetricsPage, { log }: Broker): void {
  const { metadataCutBytes } = log;
  const isState = (topic: string) => topic.startsWith('__');
  const cuts: Record<string, number[]> = {
    topics: log.recoveryCuts.flatMap(({ topic, cutBytes }) => (isState(topic) ? [] : cutBytes)),
    state: log.recoveryCuts.flatMap(({ topic, cutBytes }) => (isState(topic) ? cutBytes : [])),
    metadata: metadataCutBytes > 0 ? [metadataCutBytes] : [],
  };
  for (const [of, sizes] of Object.entries(cuts)) {
    page.add('tailrace_log_recovery_cuts_total', { of }, sizes.length);
    page.add(
      'tailrace_log_recovery_cut_bytes_total',
      { of },
      sizes.reduce((sum, bytes) => sum + bytes, 0),
    );
  }
}

/** A partition that is offline has no size that is known. */
function sizeOf({ log }: Broker, topic: string, partition: number): number {
  try {
    return log.partition(topic, partition)?.sizeBytes ?? 0;
  } catch {
    return 0;
  }
}

function addProcess(page: MetricsPage, clock: Clock, loopDelays: Readonly<Record<string, number>>): void {
  const { user, system } = process.cpuUsage();
  const { rss, heapUsed } = process.memoryUsage();
  for (const [quantile, seconds] of Object.entries(loopDelays))
    page.add('tailrace_event_loop_delay_seconds', { quantile }, seconds);
  page.add('process_cpu_seconds_total', {}, (user + system) / 1e6);
  page.add('process_resident_memory_bytes', {}, rss);
  page.add('process_heap_bytes', {}, heapUsed);
  page.add('process_start_time_seconds', {}, Math.round(clock.now() / 1000 - process.uptime()));
}
