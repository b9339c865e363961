// A real Apache Kafka broker (one node, KRaft) on loopback in a temporary folder, for conformance tests. Its jars come from Maven once and are kept in
// the user's cache folder; where a JDK (17 or newer) or Maven is missing, tests are skipped by name.
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { canRunJava, mavenJars } from './maven-jars.ts';
import { run } from './programs.ts';
import { freePort } from './test-broker.ts';

const pom = join(import.meta.dirname, 'kafka', 'pom.xml');
const startTimeoutMs = 120_000;

export interface RealKafka {
  readonly port: number;
  /** Jars of Kafka and its tools, for `java -cp`. */
  readonly classPath: string;
  stop(): Promise<void>;
}

/** Whether a real Kafka can be run here. */
export function canRunRealKafka(): boolean {
  return canRunJava();
}

export interface RealKafkaOptions {
  /** Broker settings on top of those of this file. */
  settings?: Readonly<Record<string, string>>;
  /** Feature levels other than the newest, as "transaction.version=1". */
  features?: readonly string[];
}

/** Starts one; stop() removes everything but the jars. */
export async function startRealKafka(options: RealKafkaOptions = {}): Promise<RealKafka> {
  const classPath = join(await mavenJars('kafka', pom), '*');
  const directory = await mkdtemp(join(tmpdir(), 'tailrace-real-kafka-'));
  const port = await freePort();
  const properties = join(directory, 'server.properties');
  const logging = join(directory, 'log4j2.properties');
  await writeFile(properties, await serverProperties(directory, port, options.settings ?? {}));
  await writeFile(logging, loggingProperties);
  const java = [
    '-Xmx384m',
    '-XX:+UseSerialGC',
    '-Xshare:auto',
    `-Dlog4j2.configurationFile=${logging}`,
    '-cp',
    classPath,
  ];
  const clusterId = randomBytes(16).toString('base64url').slice(0, 22);
  const format = await run('java', [
    ...java,
    'kafka.tools.StorageTool',
    'format',
    '-t',
    clusterId,
    '-c',
    properties,
    ...(options.features ?? []).flatMap((feature) => ['--feature', feature]),
  ]);
  if (format.code !== 0) throw new Error(`Kafka's storage was not formatted: ${format.stderr}${format.stdout}`);
  const server = spawn('java', [...java, 'kafka.Kafka', properties], { stdio: ['ignore', 'pipe', 'inherit'] });
  await untilStarted(server);
  return {
    port,
    classPath,
    async stop() {
      await ended(server);
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function serverProperties(
  directory: string,
  port: number,
  settings: Readonly<Record<string, string>>,
): Promise<string> {
  const controllerPort = await freePort();
  const own: Record<string, string> = {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${port}`,
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'PLAINTEXT',
    'log.dirs': join(directory, 'data'),
    'offsets.topic.num.partitions': '3',
    'offsets.topic.replication.factor': '1',
    'transaction.state.log.num.partitions': '3',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'group.initial.rebalance.delay.ms': '0',
    'log.cleaner.dedupe.buffer.size': '16777216',
    ...settings,
  };
  return Object.entries(own)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');
}

const loggingProperties = `status = ERROR
rootLogger.level = INFO
rootLogger.appenderRef.c.ref = C
appender.c.type = Console
appender.c.name = C
appender.c.layout.type = PatternLayout
appender.c.layout.pattern = [%d] %p %m (%c)%n
`;

function untilStarted(server: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let tail = '';
    const timer = setTimeout(() => fail('did not start in time'), startTimeoutMs);
    const fail = (what: string) => {
      clearTimeout(timer);
      server.kill('SIGKILL');
      reject(new Error(`Kafka ${what}: ${tail}`));
    };
    server.once('exit', (code) => fail(`ended with ${code ?? 'a signal'}`));
    server.stdout!.setEncoding('utf8').on('data', (text: string) => {
      tail = (tail + text).slice(-4000);
      if (!tail.includes('Kafka Server started')) return;
      clearTimeout(timer);
      server.removeAllListeners('exit');
      resolve();
    });
  });
}

function ended(server: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (server.exitCode !== null || server.signalCode !== null) {
      resolve();
      return;
    }
    const timer = setTimeout(() => server.kill('SIGKILL'), 20_000);
    server.once('exit', () => {
      clearTimeout(timer);
      resolve();
    });
    server.kill('SIGTERM');
  });
}
