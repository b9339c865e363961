// What moves on a cluster, as people read it.
import { formatBytes, formatCount, formatDuration } from '../base/units.ts';
import type { GroupTraffic, TopicTraffic, Traffic } from '../pipelines/traffic.ts';
import { type Cell, paint, renderTable } from './output.ts';

const rate = (perSecond: number | undefined): Cell => (perSecond === undefined ? undefined : Math.round(perSecond));

function topicNote({ offline, underReplicated }: TopicTraffic): string {
  const notes = [
    ...(offline > 0 ? [paint('red', `${offline} offline`)] : []),
    ...(underReplicated > 0 ? [paint('yellow', `${underReplicated} with replicas behind`)] : []),
  ];
  return notes.join(', ');
}

function groupNote({ lag, members, caughtUpInSeconds }: GroupTraffic): string {
  if (lag === undefined) return paint('red', 'not all partitions answer');
  if (lag === 0) return paint('green', 'caught up');
  if (members === 0) return paint('yellow', 'nobody reads');
  return caughtUpInSeconds === undefined ? '' : `caught up in ${formatDuration(caughtUpInSeconds * 1000)}`;
}

/** The lines of one look. */
export function trafficLines({ atMs, brokers, agents, topics, groups }: Traffic, broker: string): string[] {
  const time = new Date(atMs).toISOString().slice(11, 19);
  const count = `${brokers} ${brokers === 1 ? 'broker' : 'brokers'}`;
  const lines = [`${paint('bold', 'tailrace top')}   ${broker}   ${count}   ${time} UTC`];
  const table = (header: readonly string[], rows: readonly (readonly Cell[])[]) => {
    if (rows.length > 0) lines.push('', ...renderTable(header, rows).split('\n'));
  };
  table(
    ['AGENT', 'HOST', 'FILES', 'LINES', 'LINES/S', 'BYTES/S'],
    agents.map(({ agent, host, files, lines: read, linesPerSecond, bytesPerSecond }) => [
      ...[agent, host, files, read, rate(linesPerSecond)],
      bytesPerSecond === undefined ? undefined : formatBytes(Math.round(bytesPerSecond)).padStart(9),
    ]),
  );
  table(
    ['TOPIC', 'PARTITIONS', 'OFFSETS', 'IN/S', ''],
    topics.map((topic) => [topic.topic, topic.partitions, topic.offsets, rate(topic.perSecond), topicNote(topic)]),
  );
  table(
    ['GROUP', 'STATE', 'MEMBERS', 'READ/S', 'LAG', 'DELIVERED', 'DROPPED', 'DEAD LETTERS', ''],
    groups.map((group) => [
      ...[group.group, group.state, group.members, rate(group.perSecond), group.lag],
      ...[group.account && delivered(group), group.account?.dropped, group.account?.dead, groupNote(group)],
    ]),
  );
  if (agents.length + topics.length + groups.length === 0) lines.push('', 'nothing is here yet');
  return lines;
}

function delivered({ account }: GroupTraffic): number {
  return account === undefined ? 0 : account.out + account.alreadyThere;
}

/** What of the lines has room on a terminal: a word about the rest stands in the last one. */
export function fitted(lines: readonly string[], rows: number): string[] {
  if (lines.length <= rows) return [...lines];
  return [...lines.slice(0, rows - 1), paint('dim', `… ${formatCount(lines.length - rows + 1)} lines more`)];
}
