// Every metric there is: name, kind, help and labels in one table (docs/metrics.md is made of it), and the page that Prometheus reads
// (text format 0.0.4). Values are asked for when the page is, so that nothing is counted twice and nothing costs while nobody looks.
// Counters count since the process started unless the help says otherwise. Labels are names from the configuration: never contents, never secrets.
import type { Histogram } from './histogram.ts';

interface MetricDefinition {
  kind: 'counter' | 'gauge' | 'histogram';
  help: string;
  labels: readonly string[];
}

const edgeCounter = (help: string) =>
  ({ kind: 'counter', help: `${help}, since the edge was first run.`, labels: ['edge'] }) as const;

export const metricTable = {
  tailrace_info: { kind: 'gauge', help: 'Always 1; the version is in the label.', labels: ['version'] },
  tailrace_agent_lines_total: {
    kind: 'counter',
    help: 'Lines that an agent has committed to a topic.',
    labels: ['agent', 'topic'],
  },
  tailrace_agent_bytes_total: {
    kind: 'counter',
    help: 'Bytes of the lines that an agent has committed, newlines included.',
    labels: ['agent'],
  },
  tailrace_agent_destroyed_bytes_total: {
    kind: 'counter',
    help: 'Bytes that an agent has seen in a file and that were deleted or truncated before it could read them.',
    labels: ['agent'],
  },
  tailrace_edge_read_total: edgeCounter('Records that an edge has read'),
  tailrace_edge_delivered_total: edgeCounter('Records that an edge has handed to its sink'),
  tailrace_edge_already_there_total: edgeCounter('Records that the store had already under their ids'),
  tailrace_edge_dropped_total: edgeCounter('Records dropped by a rule (drop, keep, sample, on_error: drop)'),
  tailrace_edge_dead_letters_total: edgeCounter('Records refused for good by a step or the sink'),
  tailrace_edge_lag_records: {
    kind: 'gauge',
    help: 'Records of a topic that an edge has not decided: not read yet, or in files that are not published yet.',
    labels: ['edge', 'topic'],
  },
  tailrace_edge_lag_seconds: {
    kind: 'gauge',
    help: 'Age of the oldest record of a topic that an edge has not decided; 0 when there is none.',
    labels: ['edge', 'topic'],
  },
  tailrace_edge_retries_total: {
    kind: 'counter',
    help: 'Times that an edge had to begin again after a failure.',
    labels: ['edge'],
  },
  tailrace_edge_outages_total: { kind: 'counter', help: 'Outages of an edge that have begun.', labels: ['edge'] },
  tailrace_edge_paused: { kind: 'gauge', help: '1 while an edge cannot deliver.', labels: ['edge'] },
  tailrace_edge_needs_somebody: {
    kind: 'gauge',
    help: '1 while an edge cannot deliver and waiting alone will not mend it (rights, configuration, a conflict).',
    labels: ['edge'],
  },
  tailrace_edge_outage_seconds: {
    kind: 'gauge',
    help: 'How long an edge has not been able to deliver; 0 when it can.',
    labels: ['edge'],
  },
  tailrace_log_sync_seconds: {
    kind: 'histogram',
    help: 'Time that the syncs of one group-commit round of the log took.',
    labels: [],
  },
  tailrace_log_commit_rounds_total: { kind: 'counter', help: 'Group-commit rounds of the log.', labels: [] },
  tailrace_log_written_bytes_total: { kind: 'counter', help: 'Bytes written to the log and synced.', labels: [] },
  tailrace_log_failed: {
    kind: 'gauge',
    help: '1 when the log has stopped for good because the disk failed.',
    labels: [],
  },
  tailrace_log_partitions_offline: {
    kind: 'gauge',
    help: 'Partitions that are offline because what was durable is damaged.',
    labels: [],
  },
  tailrace_log_recovery_cuts_total: {
    kind: 'counter',
    help: 'Torn ends that recovery cut off when the log was opened: of topics, of Tailrace’s own topics (state), of the metadata. The log names topic, partition, offset and bytes.',
    labels: ['of'],
  },
  tailrace_log_recovery_cut_bytes_total: {
    kind: 'counter',
    help: 'Bytes of the torn ends that recovery cut off when the log was opened; nothing of them was ever acknowledged.',
    labels: ['of'],
  },
  tailrace_topic_size_bytes: { kind: 'gauge', help: 'Size of a topic on disk.', labels: ['topic'] },
  tailrace_broker_connections: { kind: 'gauge', help: 'Open connections of Kafka clients.', labels: [] },
  tailrace_event_loop_delay_seconds: {
    kind: 'gauge',
    help: 'How late timers of the process were since the last look.',
    labels: ['quantile'],
  },
  process_cpu_seconds_total: { kind: 'counter', help: 'User and system CPU time.', labels: [] },
  process_resident_memory_bytes: { kind: 'gauge', help: 'Resident memory.', labels: [] },
  process_heap_bytes: { kind: 'gauge', help: 'JavaScript heap in use.', labels: [] },
  process_start_time_seconds: { kind: 'gauge', help: 'When the process started, in seconds since 1970.', labels: [] },
} as const satisfies Record<string, MetricDefinition>;

export type MetricName = keyof typeof metricTable;
type LabelsOf<Name extends MetricName> = Record<(typeof metricTable)[Name]['labels'][number], string>;
type HistogramName = {
  [Name in MetricName]: (typeof metricTable)[Name]['kind'] extends 'histogram' ? Name : never;
}[MetricName];

function escapeLabel(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

function sampleName(name: string, labels: Readonly<Record<string, string>>): string {
  const written = Object.entries(labels).map(([label, value]) => `${label}="${escapeLabel(value)}"`);
  return written.length === 0 ? name : `${name}{${written.join(',')}}`;
}

/** One answer to Prometheus; used once. */
export class MetricsPage {
  private readonly samples = new Map<MetricName, string[]>();

  /** Adds a value with all labels of the metric. */
  add<Name extends Exclude<MetricName, HistogramName>>(name: Name, labels: LabelsOf<Name>, value: number): void {
    this.linesOf(name).push(`${sampleName(name, labels)} ${String(value)}`);
  }

  addHistogram(name: HistogramName, { bounds, counts, sum, count }: Histogram): void {
    const lines = this.linesOf(name);
    let below = 0;
    for (const [index, bound] of bounds.entries())
      lines.push(`${sampleName(`${name}_bucket`, { le: String(bound) })} ${String((below += counts[index]!))}`);
    lines.push(`${sampleName(`${name}_bucket`, { le: '+Inf' })} ${String(count)}`);
    lines.push(`${name}_sum ${String(sum)}`, `${name}_count ${String(count)}`);
  }

  /** The page, metrics in the order of the table; those without a value are left out. */
  render(): string {
    const names = Object.keys(metricTable) as MetricName[];
    const blocks = names.flatMap((name) => {
      const samples = this.samples.get(name);
      if (samples === undefined) return [];
      const { kind, help } = metricTable[name];
      return [`# HELP ${name} ${help}`, `# TYPE ${name} ${kind}`, ...samples];
    });
    return blocks.join('\n') + '\n';
  }

  private linesOf(name: MetricName): string[] {
    let lines = this.samples.get(name);
    if (lines === undefined) this.samples.set(name, (lines = []));
    return lines;
  }
}
