// `tailrace groups list|describe|reset|delete`: consumer groups with their lag in records, and in seconds where the topic can tell.
import type { Command } from 'commander';
import { systemClock } from '../../base/clock.ts';
import { TailraceError } from '../../base/errors.ts';
import type { KafkaClient } from '../../broker/client/contract.ts';
import { groupLag, type PartitionLag } from '../../pipelines/lag.ts';
import { withClient } from '../connection.ts';
import { print, printJson, renderTable } from '../output.ts';
import { parseStart } from '../positions.ts';

interface Options {
  broker: string;
  json?: boolean;
}

interface LagRow extends PartitionLag {
  member: string | undefined;
}

/** `topics`: those of which a group that has committed nothing has everything to read. */
async function lagRows(client: KafkaClient, groupId: string, topics: readonly string[]): Promise<LagRow[]> {
  const { members } = await client.admin().describeGroup(groupId);
  const assigned = new Map<string, number[]>();
  for (const [topic, partitions] of members.flatMap(({ assignment }) => [...assignment]))
    assigned.set(topic, [...(assigned.get(topic) ?? []), ...partitions]);
  const lags = await groupLag(client, systemClock, groupId, topics, assigned);
  return lags.map((lag) => {
    const member = members.find(({ assignment }) => assignment.get(lag.topic)?.includes(lag.partition) === true);
    return { ...lag, member: member?.memberId };
  });
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
  const isKnown = known.includes(groupId);
  const edge = isKnown ? undefined : await (await import('../edge-outside-group.ts')).tellOfEdge(groupId);
  if (!isKnown && edge === undefined) {
    const message = `there is no group ${groupId}; there are: ${known.join(', ') || 'none'}`;
    const hint =
      'an edge that has committed nothing is in none while its sink is away: ask in the folder of its tailrace.yaml';
    throw new TailraceError('TLR_NOT_FOUND', `${message} (${hint})`);
  }
  const rows = await lagRows(client, groupId, edge?.pipeline.from ?? []);
  if (options.json) {
    rows.forEach(({ committed = null, end = null, lagRecords = null, lagBytes = null, lagSeconds = null, ...row }) =>
      printJson({ ...row, committed, end, lagRecords, lagBytes, lagSeconds }),
    );
    return;
  }
  if (rows.length === 0) {
    print(`group ${groupId} has committed nothing yet, and reads nothing`);
    return;
  }
  print(
    renderTable(
      ['TOPIC', 'PARTITION', 'COMMITTED', 'END', 'LAG', 'LAG BYTES', 'LAG SECONDS', 'MEMBER'],
      rows.map((row) => [
        row.topic,
        row.partition,
        row.committed ?? 'none',
        row.end ?? 'unknown',
        row.lagRecords ?? 'unknown',
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
  const groups = program
    .command('groups')
    .description('consumer groups: lag, reset, delete')
    .addHelpText(
      'after',
      '\nExamples:\n  tailrace groups describe services.archive\n  tailrace groups reset services.archive --topic app --to -2h --dry-run',
    );
  const verb = (name: string, description: string) =>
    groups
      .command(name)
      .description(description)
      .option(
        '--broker <addresses>',
        'HOST:PORT[,HOST:PORT…] of any Kafka broker, or @FILE with the properties of a Kafka client',
        defaultBroker,
      )
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
