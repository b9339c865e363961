// Starts the oldest Kafka that our client works with, with the ZooKeeper it needs, for conformance tests. Its jars come from Maven once.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from './command.ts';
import { mavenJars } from './maven-jars.ts';
import { freePort } from './test-broker.ts';

const pom = join(import.meta.dirname, 'kafka-oldest', 'pom.xml');
const startTimeoutMs = 120_000;

/** Resolves when it serves; stop() removes everything but the jars. */
export async function startOldestKafka(): Promise<{ port: number; stop(): Promise<void> }> {
  const classPath = join(await mavenJars('kafka', pom), '*');
  const directory = await mkdtemp(join(tmpdir(), 'tailrace-oldest-kafka-'));
  const [port, keeper] = [await freePort(), await freePort()];
  const running: ChildProcess[] = [];
  const java = async (name: string, main: string, settings: Record<string, string>) => {
    const properties = join(directory, `${name}.properties`);
    const lines = Object.entries(settings).map(([key, value]) => `${key}=${value}\n`);
    await writeFile(properties, lines.join(''));
    const options = ['-Xmx384m', '-XX:+UseSerialGC', '-Dorg.slf4j.simpleLogger.defaultLogLevel=error'];
    running.push(spawn('java', [...options, '-cp', classPath, main, properties], { stdio: 'ignore' }));
  };
  const stop = async () => {
    for (const server of running.reverse()) await ended(server);
    await rm(directory, { recursive: true, force: true });
  };
  const places = { dataDir: join(directory, 'zookeeper'), clientPort: String(keeper), clientPortAddress: '127.0.0.1' };
  try {
    await java('zookeeper', 'org.apache.zookeeper.server.ZooKeeperServerMain', {
      ...places,
      'admin.enableServer': 'false',
    });
    await until('ZooKeeper', () => listens(keeper), startTimeoutMs);
    await java('kafka', 'kafka.Kafka', {
      ...{ 'broker.id': '1', listeners: `PLAINTEXT://127.0.0.1:${port}`, 'log.dirs': join(directory, 'data') },
      ...{ 'zookeeper.connect': `127.0.0.1:${keeper}`, 'log.cleaner.dedupe.buffer.size': '16777216' },
      ...{ 'offsets.topic.num.partitions': '3', 'offsets.topic.replication.factor': '1' },
      ...{ 'transaction.state.log.num.partitions': '3', 'transaction.state.log.replication.factor': '1' },
      ...{ 'transaction.state.log.min.isr': '1', 'group.initial.rebalance.delay.ms': '0' },
    });
    await until('Kafka', () => listens(port), startTimeoutMs);
  } catch (error) {
    await stop();
    throw error;
  }
  return { port, stop };
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

function ended(server: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (server.exitCode !== null || server.signalCode !== null) {
      resolve();
      return;
    }
    server.once('exit', () => resolve());
    server.kill('SIGKILL');
  });
}
