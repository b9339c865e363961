// `tailrace topics list|create|describe|alter|delete`.
import type { Command } from 'commander';
import { TailraceError } from '../../base/errors.ts';
import type { KafkaClient } from '../../broker/client/contract.ts';
import { withClient } from '../connection.ts';
import { parseCount } from '../counts.ts';
import { ExitCode, note, print, printJson, renderTable } from '../output.ts';

interface Options {
  broker: string;
  json?: boolean;
}

/** `name=value` pairs of `--config`; an empty value means "back to the default" where that is allowed. */
export function parseConfigs(pairs: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const split = pair.indexOf('=');
      if (split <= 0)
        throw new TailraceError('TLR_USAGE', `--config ${pair}: expected NAME=VALUE, for example retention.ms=3600000`);
      return [pair.slice(0, split), pair.slice(split + 1)];
    }),
  );
}

async function requireTopic(client: KafkaClient, name: string) {
  const [topic] = await client.admin().topics([name]);
  if (topic !== undefined) return topic;
  const names = (await client.admin().topics()).filter((other) => !other.isInternal).map((other) => other.name);
  throw new TailraceError('TLR_NOT_FOUND', `there is no topic ${name}; there are: ${names.join(', ') || 'none'}`);
}

async function list(client: KafkaClient, options: Options & { internal?: boolean }): Promise<void> {
  const topics = (await client.admin().topics()).filter((topic) => options.internal === true || !topic.isInternal);
  const rows = [];
  for (const topic of topics.sort((left, right) => (left.name < right.name ? -1 : 1))) {
    const starts = await client.admin().offsets(topic.name, 'earliest');
    const ends = await client.admin().offsets(topic.name, 'latest');
    const records = [...ends].reduce((sum, [partition, end]) => sum + end - (starts.get(partition) ?? 0), 0);
    rows.push({ topic: topic.name, partitions: topic.partitions.length, offsets: records });
  }
  if (options.json) {
    rows.forEach((row) => printJson(row));
    return;
  }
  if (rows.length === 0) {
    print('no topics yet');
    return;
  }
  print(
    renderTable(
      ['TOPIC', 'PARTITIONS', 'OFFSETS'],
      rows.map((row) => [row.topic, row.partitions, row.offsets]),
    ),
  );
}

async function describe(client: KafkaClient, name: string, options: Options): Promise<void> {
  const topic = await requireTopic(client, name);
  const starts = await client.admin().offsets(name, 'earliest');
  const ends = await client.admin().offsets(name, 'latest');
  const configs = await client.admin().describeConfigs(name);
  const partitions = topic.partitions.map((partition) => ({
    partition: partition.partition,
    leader: partition.leader,
    replicas: partition.replicas,
    inSyncReplicas: partition.inSyncReplicas,
    start: starts.get(partition.partition),
    end: ends.get(partition.partition),
  }));
  if (options.json) {
    printJson({ topic: name, topicId: topic.topicId.toString('base64url'), partitions, configs });
    return;
  }
  print(`topic ${name}   id ${topic.topicId.toString('base64url')}`);
  print(
    renderTable(
      ['PARTITION', 'LEADER', 'REPLICAS', 'IN SYNC', 'START', 'END'],
      partitions.map((row) => [
        row.partition,
        row.leader,
        row.replicas.join(','),
        row.inSyncReplicas.join(','),
        row.start,
        row.end,
      ]),
    ),
  );
  const changed = Object.entries(configs).filter(([, config]) => !config.isDefault);
  if (changed.length > 0)
    print(
      '\n' +
        renderTable(
          ['SETTING', 'VALUE'],
          changed.map(([key, config]) => [key, config.value ?? '']),
        ),
    );
}

export function addTopics(program: Command, defaultBroker: string): void {
  const topics = program
    .command('topics')
    .description('list, create, describe, alter and delete topics')
    .addHelpText(
      'after',
      '\nExamples:\n  tailrace topics list --broker k1:9092\n  tailrace topics create app --partitions 4 --config retention.ms=1209600000\n  tailrace topics alter app --config retention.ms=',
    );
  const verb = (name: string, description: string) =>
    topics
      .command(name)
      .description(description)
      .option(
        '--broker <addresses>',
        'HOST:PORT[,HOST:PORT…] of any Kafka broker, or @FILE with the properties of a Kafka client',
        defaultBroker,
      )
      .option('--json', 'one JSON object a line');
  verb('list', 'names, partitions, offsets')
    .option('--internal', 'internal topics too')
    .action((options: Options & { internal?: boolean }) =>
      withClient(options.broker, (client) => list(client, options)),
    );
  verb('describe <topic>', 'partitions, offsets, settings').action((name: string, options: Options) =>
    withClient(options.broker, (client) => describe(client, name, options)),
  );
  verb('create <topic>', 'create a topic')
    .option('--partitions <count>', 'number of partitions (default: the broker’s)')
    .option('--replicas <count>', 'copies of each partition (default: three where there are as many brokers)')
    .option('--config <name=value...>', "settings under Kafka's names", [])
    .action((name: string, options: Options & { partitions?: string; replicas?: string; config: string[] }) =>
      withClient(options.broker, async (client) => {
        const partitions = parseCount('--partitions', options.partitions);
        const replicationFactor = parseCount('--replicas', options.replicas);
        await client.admin().createTopic({
          name,
          ...(partitions === undefined ? {} : { partitions }),
          ...(replicationFactor === undefined ? {} : { replicationFactor }),
          configs: parseConfigs(options.config),
        });
        if (options.json) printJson({ created: name });
        else print(`created topic ${name}`);
      }),
    );
  verb('alter <topic>', 'change settings')
    .requiredOption('--config <name=value...>', 'new values; NAME= goes back to the default')
    .action((name: string, options: Options & { config: string[] }) =>
      withClient(options.broker, async (client) => {
        await requireTopic(client, name);
        const changes = Object.entries(parseConfigs(options.config)).map(([key, value]) => [
          key,
          value === '' ? null : value,
        ]);
        await client.admin().alterConfigs(name, Object.fromEntries(changes) as Record<string, string | null>);
        if (options.json) printJson({ altered: name });
        else print(`altered topic ${name}`);
      }),
    );
  verb('delete <topic>', 'delete a topic and everything in it')
    .option('--yes', 'really')
    .action((name: string, options: Options & { yes?: boolean }) =>
      withClient(options.broker, async (client) => {
        await requireTopic(client, name);
        if (options.yes !== true) {
          note(`this deletes topic ${name} with every record in it for good; say --yes to do it`);
          process.exitCode = ExitCode.refused;
          return;
        }
        await client.admin().deleteTopic(name);
        if (options.json) printJson({ deleted: name });
        else print(`deleted topic ${name}`);
      }),
    );
}
