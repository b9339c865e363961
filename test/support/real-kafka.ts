// A real Apache Kafka (one node or several, KRaft) on loopback in a temporary folder, for conformance tests. Its jars come from Maven once and are kept in
// the user's cache folder; where a JDK (17 or newer) or Maven is missing, tests are skipped by name.
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { canRunJava, mavenJars } from './maven-jars.ts';
import { run } from './programs.ts';
import { freePort } from './test-broker.ts';

const pom = join(import.meta.dirname, 'kafka', 'pom.xml');
const startTimeoutMs = 120_000;

export interface RealKafka {
  readonly port: number;
  readonly pid: number;
  /** How long the start took, without formatting the storage. */
  readonly startMs: number;
  /** Jars of Kafka and its tools, for `java -cp`. */
  readonly classPath: string;
  /** Folders of partitions are in here. */
  readonly logDirectory: string;
  stop(): Promise<void>;
}

/** One broker (and controller) of a cluster. */
export interface RealKafkaNode {
  readonly id: number;
  readonly port: number;
  /** Of the process that runs, or ran last. */
  readonly pid: number;
  /** How long its last start took. */
  readonly startMs: number;
  readonly logDirectory: string;
  /** kill -9. */
  kill(): Promise<void>;
  /** SIGTERM, and waits: everything is on disk, and marked as cleanly shut down. */
  shutDown(): Promise<void>;
  /** After kill() or shutDown(); resolves when it serves. */
  start(): Promise<void>;
}

export interface RealCluster {
  /** For --broker and kafka://. */
  readonly bootstrap: string;
  readonly classPath: string;
  readonly nodes: readonly RealKafkaNode[];
  /** Ends all nodes and removes everything but the jars. */
  stop(): Promise<void>;
}

/** Whether a real Kafka can be run here. */
export function canRunRealKafka(): boolean {
  return canRunJava();
}

/** Paths of the jars of a real Kafka. */
export async function kafkaJars(): Promise<string[]> {
  const folder = await mavenJars('kafka', pom);
  return (await readdir(folder)).map((file) => join(folder, file));
}

export interface RealKafkaOptions {
  /** Broker settings on top of those of this file. */
  settings?: Readonly<Record<string, string>>;
  /** Feature levels other than the newest, as "transaction.version=1". */
  features?: readonly string[];
  /** A second listener, SASL_SSL with PLAIN and SCRAM-SHA-512, for one user. */
  secured?: { port: number; user: string; password: string; cert: string; key: string };
  /** Options of the Java machine other than those for a small one. */
  java?: readonly string[];
}

const smallJava = ['-Xmx384m', '-XX:+UseSerialGC', '-Xshare:auto'];

/** Starts one; stop() removes everything but the jars. */
export async function startRealKafka(options: RealKafkaOptions = {}): Promise<RealKafka> {
  const cluster = await startRealCluster(1, options);
  const [{ port, pid, startMs, logDirectory }] = cluster.nodes as [RealKafkaNode];
  return { port, pid, startMs, logDirectory, classPath: cluster.classPath, stop: () => cluster.stop() };
}

/** Starts a cluster whose nodes are brokers and controllers at once; with three of them, one can be killed at a time. */
export async function startRealCluster(count: number, options: RealKafkaOptions = {}): Promise<RealCluster> {
  const classPath = join(await mavenJars('kafka', pom), '*');
  const directory = await mkdtemp(join(tmpdir(), 'tailrace-real-kafka-'));
  const logging = join(directory, 'log4j2.properties');
  await writeFile(logging, loggingProperties);
  const places = [];
  for (let id = 1; id <= count; id++) places.push({ id, port: await freePort(), controllerPort: await freePort() });
  const voters = places.map(({ id, controllerPort }) => `${id}@127.0.0.1:${controllerPort}`).join(',');
  const java = [...(options.java ?? smallJava), `-Dlog4j2.configurationFile=${logging}`];
  // Not with a dash in front: it would be taken for an option.
  const clusterId = randomBytes(16).toString('base64url').replace(/^-/, 'A');
  const nodes = await Promise.all(
    places.map(async (place) => {
      const own = join(directory, `node${place.id}`);
      await mkdir(own);
      const properties = join(own, 'server.properties');
      const { secured, settings = {} } = options;
      const more = secured === undefined ? settings : { ...(await securedListener(own, place, secured)), ...settings };
      await writeFile(properties, serverProperties(own, { ...place, voters, count }, more));
      const features = (options.features ?? []).flatMap((feature) => ['--feature', feature]);
      const users = secured === undefined ? [] : ['--add-scram', scramUser(secured)];
      const format = ['kafka.tools.StorageTool', 'format', '-t', clusterId, '-c', properties, ...features, ...users];
      const formatted = await run('java', [...java, '-cp', classPath, ...format]);
      if (formatted.code !== 0)
        throw new Error(`Kafka's storage was not formatted: ${formatted.stderr}${formatted.stdout}`);
      return new Node(place, join(own, 'data'), [...java, '-cp', classPath, 'kafka.Kafka', properties]);
    }),
  );
  const bootstrap = nodes.map(({ port }) => `127.0.0.1:${port}`).join(',');
  const stop = async () => {
    await Promise.all(nodes.map((node) => node.shutDown()));
    await rm(directory, { recursive: true, force: true });
  };
  try {
    await Promise.all(nodes.map((node) => node.start()));
  } catch (error) {
    await stop();
    throw error;
  }
  return { bootstrap, classPath, nodes, stop };
}

class Node implements RealKafkaNode {
  readonly id: number;
  readonly port: number;
  readonly logDirectory: string;
  pid = 0;
  startMs = 0;
  private readonly command: readonly string[];
  private server: ChildProcess | undefined;

  constructor({ id, port }: { id: number; port: number }, logDirectory: string, command: readonly string[]) {
    this.id = id;
    this.port = port;
    this.logDirectory = logDirectory;
    this.command = command;
  }

  async start(): Promise<void> {
    const startedMs = performance.now();
    this.server = spawn('java', this.command, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.pid = this.server.pid ?? 0;
    await untilStarted(this.server);
    this.startMs = performance.now() - startedMs;
  }

  kill(): Promise<void> {
    return this.end('SIGKILL');
  }

  shutDown(): Promise<void> {
    return this.end('SIGTERM');
  }

  private async end(signal: NodeJS.Signals): Promise<void> {
    const { server } = this;
    this.server = undefined;
    if (server !== undefined) await ended(server, signal);
  }
}

function serverProperties(
  directory: string,
  place: { id: number; port: number; controllerPort: number; voters: string; count: number },
  settings: Readonly<Record<string, string>>,
): string {
  const { id, port, controllerPort, voters, count } = place;
  const replicas = String(Math.min(3, count));
  const own: Record<string, string> = {
    'process.roles': 'broker,controller',
    'node.id': String(id),
    'controller.quorum.voters': voters,
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${port}`,
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'PLAINTEXT',
    'log.dirs': join(directory, 'data'),
    'offsets.topic.num.partitions': '3',
    'offsets.topic.replication.factor': replicas,
    'transaction.state.log.num.partitions': '3',
    'transaction.state.log.replication.factor': replicas,
    'transaction.state.log.min.isr': count >= 3 ? '2' : '1',
    'group.initial.rebalance.delay.ms': '0',
    'log.cleaner.dedupe.buffer.size': '16777216',
    ...settings,
  };
  return Object.entries(own)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');
}

type SecuredListener = NonNullable<RealKafkaOptions['secured']>;

function scramUser({ user, password }: SecuredListener): string {
  return `SCRAM-SHA-512=[name=${user},password=${password}]`;
}

/** Settings of the second listener; they take the place of those of the first in the lists that hold both. */
async function securedListener(
  directory: string,
  { port: plainPort, controllerPort }: { port: number; controllerPort: number },
  { port, user, password, cert, key }: SecuredListener,
): Promise<Record<string, string>> {
  const keystore = join(directory, 'keystore.pem');
  await writeFile(keystore, `${key}${cert}`);
  const modules = 'org.apache.kafka.common.security';
  return {
    listeners: `PLAINTEXT://127.0.0.1:${plainPort},SECURED://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${plainPort},SECURED://127.0.0.1:${port}`,
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,SECURED:SASL_SSL,CONTROLLER:PLAINTEXT',
    'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-512',
    'listener.name.secured.plain.sasl.jaas.config': `${modules}.plain.PlainLoginModule required user_${user}="${password}";`,
    'listener.name.secured.scram-sha-512.sasl.jaas.config': `${modules}.scram.ScramLoginModule required;`,
    'ssl.keystore.type': 'PEM',
    'ssl.keystore.location': keystore,
  };
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
    const onText = (text: string) => {
      tail = (tail + text).slice(-4000);
      if (!tail.includes('Kafka Server started')) return;
      clearTimeout(timer);
      server.removeAllListeners('exit');
      server.stdout!.off('data', onText).resume();
      resolve();
    };
    server.stdout!.setEncoding('utf8').on('data', onText);
  });
}

function ended(server: ChildProcess, signal: NodeJS.Signals): Promise<void> {
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
    server.kill(signal);
  });
}
