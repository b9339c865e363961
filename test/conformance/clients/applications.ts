// Kafka Streams and Kafka Connect with exactly once, as two processes each, of which one and then the other is killed (kill -9) in the middle of its work
// and started again.
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, until } from '../../support/command.ts';
import { canRunTools, compiled } from '../../support/java-tools.ts';
import { canRunJava, mavenJars } from '../../support/maven-jars.ts';
import { type RunningProgram, start } from '../../support/programs.ts';
import { readAll } from '../../support/topic-readers.ts';
import { type Errand, lineCount, longMs, numberedLines, type Program, support, textOf, versionIn } from './program.ts';

const instanceCount = 2;
const portionCount = 4;
/** After which a process that was killed is missed, instead of after Kafka's 45 seconds. */
const sessionTimeoutMs = 6000;
const java = ['-Xmx256m', '-XX:+UseSerialGC', '-Dorg.slf4j.simpleLogger.defaultLogLevel=error'];
const jarsFolder = () => mavenJars('applications', join(support, 'applications.xml'));
const versionOf = async (artifact: string) => versionIn(await jarsFolder(), artifact);

interface Application {
  startInstance: (index: number) => RunningProgram;
  /** Gives it lines to bring to the topic. */
  feed: (lines: readonly string[]) => Promise<void>;
  /** Whether everything is as it should be after the last line. */
  isDone: () => boolean | Promise<boolean>;
}

/** Feeds the application all lines, and kills each instance once while it brings them to the topic. */
async function throughKills({ client, topic }: Errand, { startInstance, feed, isDone }: Application): Promise<void> {
  const committed = async () =>
    [...(await client.admin().offsets(topic, 'latest-stable')).values()].reduce((sum, end) => sum + end, 0);
  const instances = Array.from({ length: instanceCount }, (_none, index) => startInstance(index));
  const lines = numberedLines();
  const portionSize = lineCount / portionCount;
  try {
    for (let portion = 0; portion < portionCount; portion++) {
      const before = await committed();
      await feed(lines.slice(portion * portionSize, (portion + 1) * portionSize));
      await until(`lines of portion ${portion} in the topic`, async () => (await committed()) > before, longMs);
      const victim = instances[portion];
      if (victim === undefined) continue;
      process.kill(victim.pid!, 'SIGKILL');
      await victim.stop();
      instances[portion] = startInstance(portion);
    }
    await until('the end', isDone, longMs);
  } catch (error) {
    throw new Error(`${String(error)}: ${instances.map(({ stderr }) => stderr.slice(-2000)).join('\n')}`);
  } finally {
    await Promise.all(instances.map((instance) => instance.stop()));
  }
}

async function feedTopic({ client }: Errand, topic: string, lines: readonly string[]): Promise<void> {
  const producer = client.producer();
  const batchSize = 1000;
  for (let from = 0; from < lines.length; from += batchSize)
    await producer.send(
      lines
        .slice(from, from + batchSize)
        .map((line, index) => ({ topic, partition: index % 2, value: Buffer.from(line) })),
    );
  await producer.close();
}

/** Of each key the last value, as a number; all added. */
async function sumOfCounts({ client }: Errand, topic: string): Promise<number> {
  const counts = new Map<string, number>();
  await readAll(client, topic, (partition, _offset, value, key) => counts.set(`${partition} ${key}`, Number(value)));
  return [...counts.values()].reduce((sum, count) => sum + count, 0);
}

export const streams: Program = {
  name: 'Kafka Streams',
  does: 'two instances with exactly_once_v2 bring 100,000 lines to another topic and count them; each is killed once',
  isThere: canRunTools,
  version: () => versionOf('kafka-streams'),
  async run(errand) {
    const { bootstrap, topic, folder, client } = errand;
    const [from, counts] = [`${topic}-from`, `${topic}-counts`];
    for (const name of [from, counts]) await client.admin().createTopic({ name, partitions: 2 });
    const jars = await jarsFolder();
    const classes = await compiled(join(support, 'StreamsRound.java'), jars);
    const command = [...java, '-cp', `${classes}:${join(jars, '*')}`, 'StreamsRound', bootstrap, topic];
    await throughKills(errand, {
      startInstance: (index) =>
        start('java', [...command, from, topic, counts, join(folder, `state-${index}`), String(sessionTimeoutMs)]),
      feed: (lines) => feedTopic(errand, from, lines),
      isDone: async () => (await sumOfCounts(errand, counts)) === lineCount,
    });
    return undefined;
  },
};

const workerConfig = ({ bootstrap, topic }: Errand, port: number) => `
bootstrap.servers=${bootstrap}
group.id=${topic}
key.converter=org.apache.kafka.connect.storage.StringConverter
value.converter=org.apache.kafka.connect.storage.StringConverter
offset.storage.topic=${topic}-offsets
offset.storage.replication.factor=1
config.storage.topic=${topic}-configs
config.storage.replication.factor=1
status.storage.topic=${topic}-status
status.storage.replication.factor=1
exactly.once.source.support=enabled
connector.client.config.override.policy=All
session.timeout.ms=${sessionTimeoutMs}
heartbeat.interval.ms=1000
scheduled.rebalance.max.delay.ms=1000
listeners=http://127.0.0.1:${port}
`;

const connectorsOf = ({ topic, folder }: Errand) => ({
  source: {
    'connector.class': 'org.apache.kafka.connect.file.FileStreamSourceConnector',
    file: join(folder, 'in.txt'),
    topic,
    'exactly.once.support': 'required',
  },
  sink: {
    'connector.class': 'org.apache.kafka.connect.file.FileStreamSinkConnector',
    file: join(folder, 'out.txt'),
    topics: topic,
    'consumer.override.isolation.level': 'read_committed',
    'consumer.override.session.timeout.ms': String(sessionTimeoutMs),
  },
});

/** Whether a worker took it; they refuse while they find each other. */
async function configure(port: number, connector: string, config: object): Promise<boolean> {
  const url = `http://127.0.0.1:${port}/connectors/${connector}/config`;
  const request = { method: 'PUT', headers: { 'content-type': 'application/json' }, body: JSON.stringify(config) };
  return fetch(url, request).then(
    ({ ok }) => ok,
    () => false,
  );
}

/** What the sink wrote. It delivers at least once, and a kill may leave half a line, which the next one goes on behind: that is another copy here. */
const linesOf = (path: string) => (existsSync(path) ? (readFileSync(path, 'utf8').match(/line \d+/g) ?? []) : []);

export const connect: Program = {
  name: 'Kafka Connect',
  does: 'two workers: the file source, with exactly once, writes 100,000 lines, the file sink reads them back; each is killed once',
  isThere: canRunJava,
  version: () => versionOf('connect-runtime'),
  async run(errand) {
    const { folder } = errand;
    const [source, sink] = [join(folder, 'in.txt'), join(folder, 'out.txt')];
    const jars = await jarsFolder();
    const ports: number[] = [];
    for (let index = 0; index < instanceCount; index++) {
      ports.push(await freePort());
      writeFileSync(join(folder, `worker-${index}.properties`), workerConfig(errand, ports[index]!));
    }
    const command = [...java, '-cp', join(jars, '*'), 'org.apache.kafka.connect.cli.ConnectDistributed'];
    let isConfigured = false;
    await throughKills(errand, {
      startInstance: (index) => start('java', [...command, join(folder, `worker-${index}.properties`)]),
      feed: async (lines) => {
        appendFileSync(source, textOf(lines));
        if (isConfigured) return;
        for (const [name, config] of Object.entries(connectorsOf(errand)))
          await until(`the ${name}`, () => configure(ports[0]!, name, config), longMs);
        isConfigured = true;
      },
      isDone: () => new Set(linesOf(sink)).size === lineCount,
    });
    return linesOf(sink);
  },
};
