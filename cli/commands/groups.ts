// `tailrace groups list|describe|reset|delete`: consumer groups with their lag in records, and in seconds where the topic can tell.
import type { Command } from 'commander';
import { TailraceError } from '../../base/errors.ts';
import type { KafkaClient } from '../../broker/client/contract.ts';
import { readBatchHeader } from '../../broker/wire/record-batch.ts';
import { withClient } from '../connection.ts';
import { print, printJson, renderTable } from '../output.ts';
import { parseStart } from '../positions.ts';

interface Options {
  broker: string;
  json?: boolean;
}

interface LagRow {
  topic: string;
  partition: number;
  committed: number | undefined;
  end: number;
  lagRecords: number;
  /** Estimated from the size of the next batch. */
  lagBytes: number | undefined;
  lagSeconds: number | undefined;
  member: string | undefined;
}

/**
 * How far behind: seconds since the first record that was not consumed, and bytes by the size of its batch (Kafka has no request that would tell them
 * exactly). One small fetch; undefined when it cannot be read.
 */
async function lagOf(client: KafkaClient, topic: string, partition: number, offset: number, lagRecords: number) {
  const consumer = client.consumer({ isolation: 'read_uncommitted', maxBytes: 1, maxWaitMs: 200 });
  try {
    await consumer.assign([{ topic, partition, offset }]);
    for (let attempt = 0; attempt < 3; attempt++) {
      const batch = (await consumer.poll())[0]?.batches[0];
      if (batch === undefined) continue;
      const header = readBatchHeader(batch, 0);
      return {
        seconds: Math.max(0, (Date.now() - header.baseTimestampMs) / 1000),
        bytes: Math.round((batch.length / Math.max(1, header.recordCount)) * lagRecords),
      };
    }
    return undefined;
  } finally {
    await consumer.close();
  }
}

async function lagRows(client: KafkaClient, groupId: string): Promise<LagRow[]> {
  const admin = client.admin();
  const committed = await admin.groupOffsets(groupId);
  const group = await admin.describeGroup(groupId);
  const rows: LagRow[] = [];
  for (const [topic, partitions] of [...committed].sort()) {
    const ends = await admin.offsets(topic, 'latest-stable').catch(() => new Map<number, number>());
    const starts = await admin.offsets(topic, 'earliest').catch(() => new Map<number, number>());
    for (const [partition, { offset }] of [...partitions].sort(([left], [right]) => left - right)) {
      const end = ends.get(partition) ?? offset;
      const from = Math.max(offset, starts.get(partition) ?? 0);
      const lagRecords = Math.max(0, end - from);
      const lag = lagRecords === 0 ? { seconds: 0, bytes: 0 } : await lagOf(client, topic, partition, from, lagRecords);
      const member = group.members.find((one) => one.assignment.get(topic)?.includes(partition) === true);
      rows.push({
        topic,
        partition,
        committed: offset,
        end,
        lagRecords,
        lagBytes: lag?.bytes,
        lagSeconds: lag?.seconds,
        member: member?.memberId,
      });
    }
  }
  return rows;
}

async function list(client: KafkaClient, options: Options): Promise<void> {
  const groups = await client.admin().listGroups();
  if (options.json) {
    groups.forEach((group) => printJson(group));
    return;
  }
  if (groups.length === 0) {
    print('no groups yet');
    return;
  }
  print(
    renderTable(
      ['GROUP', 'STATE', 'PROTOCOL'],
      groups.map((group) => [group.groupId, group.state, group.protocolType]),
    ),
  );
}

async function describe(client: KafkaClient, groupId: string, options: Options): Promise<void> {
  const known = (await client.admin().listGroups()).map((group) => group.groupId);
  if (!known.includes(groupId)) {
    throw new TailraceError('TLR_NOT_FOUND', `there is no group ${groupId}; there are: ${known.join(', ') || 'none'}`);
  }
  const rows = await lagRows(client, groupId);
  if (options.json) {
    rows.forEach((row) => printJson(row));
    return;
  }
  if (rows.length === 0) {
    print(`group ${groupId} has committed nothing yet`);
    return;
  }
  print(
    renderTable(
      ['TOPIC', 'PARTITION', 'COMMITTED', 'END', 'LAG', 'LAG BYTES', 'LAG SECONDS', 'MEMBER'],
      rows.map((row) => [
        row.topic,
        row.partition,
        row.committed,
        row.end,
        row.lagRecords,
        row.lagBytes,
        row.lagSeconds === undefined ? undefined : Math.round(row.lagSeconds),
        row.member,
      ]),
    ),
  );
}

async function reset(
  client: KafkaClient,
  groupId: string,
  options: Options & { topic: string; to: string; dryRun?: boolean },
) {
  const admin = client.admin();
  const start = parseStart(options.to);
  const targets =
    typeof start === 'object' && 'offset' in start
      ? new Map(
          [...(await admin.offsets(options.topic, 'earliest')).keys()].map((partition) => [partition, start.offset]),
        )
      : await admin.offsets(options.topic, start);
  const offsets = [...targets].map(([partition, offset]) => ({ topic: options.topic, partition, offset }));
  if (options.dryRun !== true) await admin.commitGroupOffsets(groupId, offsets);
  if (options.json) {
    offsets.forEach((row) => printJson(row));
    return;
  }
  print(
    renderTable(
      ['TOPIC', 'PARTITION', 'NEW OFFSET'],
      offsets.map((row) => [row.topic, row.partition, row.offset]),
    ),
  );
  if (options.dryRun === true) print('dry run: nothing was changed');
}

export function addGroups(program: Command, defaultBroker: string): void {
  const groups = program.command('groups').description('consumer groups: lag, reset, delete');
  const verb = (name: string, description: string) =>
    groups
      .command(name)
      .description(description)
      .option('--broker <addresses>', 'HOST:PORT[,HOST:PORT…] of any Kafka broker', defaultBroker)
      .option('--json', 'one JSON object a line');
  verb('list', 'names and states').action((options: Options) =>
    withClient(options.broker, (client) => list(client, options)),
  );
  verb('describe <group>', 'committed offsets and lag').action((groupId: string, options: Options) =>
    withClient(options.broker, (client) => describe(client, groupId, options)),
  );
  verb('reset <group>', 'move the committed offsets of a group without members')
    .requiredOption('--topic <topic>', 'the topic')
    .requiredOption('--to <position>', 'earliest | latest | OFFSET | TIME (2026-11-22T10:00:00Z)')
    .option('--dry-run', 'show what would be committed')
    .action((groupId: string, options: Options & { topic: string; to: string; dryRun?: boolean }) =>
      withClient(options.broker, (client) => reset(client, groupId, options)),
    );
  verb('delete <group>', 'forget a group without members and its offsets').action((groupId: string, options: Options) =>
    withClient(options.broker, async (client) => {
      await client.admin().deleteGroup(groupId);
      if (options.json) printJson({ deleted: groupId });
      else print(`deleted group ${groupId}`);
    }),
  );
}
