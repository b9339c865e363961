// Programs that write to or read from Kafka: Flume, rsyslog and Spark with no more than an address and a topic, and those of applications.ts.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '../../support/command.ts';
import { compiled } from '../../support/java-tools.ts';
import { canRunJava, mavenJars } from '../../support/maven-jars.ts';
import { isInstalled, run, start } from '../../support/programs.ts';
import { connect, streams } from './applications.ts';
import { type Errand, lineCount, longMs, numberedLines, type Program, support, textOf, versionIn } from './program.ts';

const rsyslogd = ['/usr/sbin/rsyslogd', '/sbin/rsyslogd'].find((path) => existsSync(path)) ?? 'rsyslogd';
const rsyslogConfig = ({ bootstrap, topic, folder }: Errand) => `
global(workDirectory="${folder}")
module(load="imfile" mode="polling" pollingInterval="1")
module(load="omkafka")
template(name="line" type="string" string="%msg%")
input(type="imfile" file="${folder}/in.log" tag="in" ruleset="deliver")
ruleset(name="deliver") { action(type="omkafka" broker="${bootstrap}" topic="${topic}" template="line") }
`;

const rsyslog: Program = {
  name: 'rsyslog',
  does: 'omkafka writes 100,000 lines of a file',
  isThere: () => ['/usr/lib', '/usr/lib64'].some((folder) => hasModule(folder)),
  version: () =>
    Promise.resolve(/rsyslogd\s+(\S+)/.exec(spawnSync(rsyslogd, ['-v'], { encoding: 'utf8' }).stdout)![1]!),
  async run(errand) {
    const { folder, stored } = errand;
    writeFileSync(join(folder, 'in.log'), textOf(numberedLines()));
    writeFileSync(join(folder, 'rsyslog.conf'), rsyslogConfig(errand));
    const daemon = start(rsyslogd, ['-n', '-f', join(folder, 'rsyslog.conf'), '-i', join(folder, 'pid')]);
    try {
      await until('all lines in the topic', async () => (await stored()) >= lineCount, longMs);
    } finally {
      await daemon.stop();
    }
    return undefined;
  },
};

/** Whether rsyslog's Kafka output lies below. Debian: apt-get install rsyslog rsyslog-kafka. */
function hasModule(folder: string): boolean {
  if (!existsSync(folder)) return false;
  const places = [folder, ...readdirSync(folder).map((name) => join(folder, name))];
  return places.some((place) => existsSync(join(place, 'rsyslog', 'omkafka.so')));
}

const flumeConfig = ({ bootstrap, topic, folder }: Errand) => `
a.sources = dir kafka
a.channels = out in
a.sinks = kafka files
a.sources.dir.type = spooldir
a.sources.dir.spoolDir = ${folder}/spool
a.sources.dir.channels = out
a.channels.out.type = memory
a.channels.out.capacity = 10000
a.sinks.kafka.type = org.apache.flume.sink.kafka.KafkaSink
a.sinks.kafka.kafka.bootstrap.servers = ${bootstrap}
a.sinks.kafka.kafka.topic = ${topic}
a.sinks.kafka.channel = out
a.sources.kafka.type = org.apache.flume.source.kafka.KafkaSource
a.sources.kafka.kafka.bootstrap.servers = ${bootstrap}
a.sources.kafka.kafka.topics = ${topic}
a.sources.kafka.kafka.consumer.group.id = ${topic}
a.sources.kafka.kafka.consumer.auto.offset.reset = earliest
a.sources.kafka.channels = in
a.channels.in.type = memory
a.channels.in.capacity = 10000
a.channels.in.transactionCapacity = 1000
a.sinks.files.type = file_roll
a.sinks.files.sink.directory = ${folder}/out
a.sinks.files.sink.rollInterval = 0
a.sinks.files.channel = in
`;

const flume: Program = {
  name: 'Flume',
  does: 'the Kafka sink writes 100,000 lines, the Kafka source reads them back',
  isThere: canRunJava,
  version: async () => versionIn(await mavenJars('flume', join(support, 'flume.xml')), 'flume-ng-node'),
  async run(errand) {
    const jars = await mavenJars('flume', join(support, 'flume.xml'));
    const [spool, out] = ['spool', 'out'].map((name) => join(errand.folder, name)) as [string, string];
    for (const folder of [spool, out]) mkdirSync(folder);
    writeFileSync(join(spool, 'in.log'), textOf(numberedLines()));
    writeFileSync(join(errand.folder, 'flume.conf'), flumeConfig(errand));
    const java = ['-Xmx384m', '-XX:+UseSerialGC', '-cp', join(jars, '*'), 'org.apache.flume.node.Application'];
    const agent = start('java', [
      ...java,
      '--name',
      'a',
      '--no-reload-conf',
      '--conf-file',
      join(errand.folder, 'flume.conf'),
    ]);
    const bytes = () => readdirSync(out).reduce((sum, name) => sum + statSync(join(out, name)).size, 0);
    try {
      const expected = textOf(numberedLines()).length;
      await until('all lines in the files', () => bytes() >= expected, longMs).catch((error: unknown) => {
        throw new Error(`${String(error)}: ${agent.stdout.slice(-2000)}${agent.stderr.slice(-2000)}`);
      });
    } finally {
      await agent.stop();
    }
    return readdirSync(out).flatMap((name) => readFileSync(join(out, name), 'utf8').trimEnd().split('\n'));
  },
};

/** What Java 17 and newer ask for when Spark runs in them (its own launcher adds the same). */
const sparkJava = [
  'java.lang',
  'java.lang.invoke',
  'java.io',
  'java.net',
  'java.nio',
  'java.util',
  'sun.nio.ch',
  'sun.util.calendar',
].flatMap((name) => ['--add-opens', `java.base/${name}=ALL-UNNAMED`]);

const spark: Program = {
  name: 'Spark',
  does: 'in local mode: writes 100,000 records as a batch, reads them back',
  isThere: () => canRunJava() && isInstalled('javac', ['-version']),
  version: async () => versionIn(await mavenJars('spark', join(support, 'spark.xml')), 'spark-sql_2.13'),
  async run({ bootstrap, topic, folder }) {
    const jars = await mavenJars('spark', join(support, 'spark.xml'));
    const classes = await compiled(join(support, 'SparkRound.java'), jars);
    const command = ['-Xmx1g', '-XX:+UseSerialGC', ...sparkJava, '-cp', `${classes}:${join(jars, '*')}`, 'SparkRound'];
    const ended = await run('java', [...command, bootstrap, topic, String(lineCount), folder], '', longMs);
    if (ended.code !== 0) throw new Error(`Spark ended with ${ended.code ?? 'a signal'}: ${ended.stderr.slice(-3000)}`);
    const sum = (lineCount * (lineCount - 1)) / 2;
    const expected = `read ${lineCount} different ${lineCount} sum ${sum}`;
    if (!ended.stdout.includes(expected)) throw new Error(`Spark printed ${ended.stdout.slice(-500)}, not ${expected}`);
    return undefined;
  },
};

export const programs: readonly Program[] = [rsyslog, flume, spark, streams, connect];
