// The new consumer protocol (KIP-848) as clients speak it: librdkafka (consumer_protocol.py has the scenarios) and Kafka's own consumer and tools, against
// our broker and, with CONFORMANCE=all, against Apache Kafka as a control. Skipped where Python, its package, a JDK or Maven is missing.
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { systemClock } from '../../base/clock.ts';
import { silentLogger } from '../../base/logger.ts';
import { systemRandom } from '../../base/random.ts';
import { createClient } from '../../broker/client/client.ts';
import type { Admin, KafkaClient } from '../../broker/client/contract.ts';
import { SocketTransport } from '../../broker/client/socket-transport.ts';
import { run } from '../support/programs.ts';
import { pythonWith } from '../support/python-venv.ts';
import { canRunRealKafka, kafkaJars, startRealKafka } from '../support/real-kafka.ts';
import { startTestBroker } from '../support/test-broker.ts';

const python = pythonWith('confluent_kafka', ['confluent-kafka']);
const script = join(import.meta.dirname, 'consumer_protocol.py');
/** So that nobody waits long for a heartbeat, or for the end of a session. */
const settings = { 'group.consumer.session.timeout.ms': '6000', 'group.consumer.heartbeat.interval.ms': '500' };
const least = { 'group.consumer.min.session.timeout.ms': '6000', 'group.consumer.min.heartbeat.interval.ms': '500' };
const isWhole = process.env['CONFORMANCE'] === 'all';

interface Server {
  readonly bootstrap: string;
  stop(): Promise<void>;
}

async function ours(): Promise<Server> {
  const server = await startTestBroker({ settings });
  return { bootstrap: server.bootstrap, stop: () => server.close() };
}

async function theirs(): Promise<Server> {
  const kafka = await startRealKafka({ settings: { ...settings, ...least } });
  return { bootstrap: `127.0.0.1:${kafka.port}`, stop: () => kafka.stop() };
}

const servers = [['our broker', ours] as const, ...(isWhole ? [['Apache Kafka', theirs] as const] : [])];

describe.each(servers)('group.protocol=consumer against %s', (_name, start) => {
  let server: Server;
  beforeAll(async () => {
    server = await start();
  });
  afterAll(() => server.stop());

  describe.skipIf(python === undefined)('librdkafka', () => {
    async function scenario(name: string): Promise<unknown> {
      const result = await run(python!, [script, server.bootstrap, name], '', 110_000);
      expect(result, result.stderr).toMatchObject({ code: 0 });
      return JSON.parse(result.stdout) as unknown;
    }

    const numbered = (prefix: string, count: number) =>
      Array.from({ length: count }, (_, number) => `${prefix}${number}`).sort();

    test('two members share, and a killed one is replaced', async () => {
      expect(await scenario('share')).toEqual({ both: 2, alone: [0, 1, 2, 3] });
    });

    test('commits, and goes on where it was', async () => {
      expect(await scenario('resume')).toEqual({
        read: numbered('a', 20),
        resumed: numbered('b', 10),
        committed: [10, 10],
      });
    });

    test('a static member finds its place again', async () => {
      expect(await scenario('static')).toEqual({ kept: true, shared: [0, 1, 2, 3] });
    });

    test('a regular expression follows new topics', async () => {
      expect(await scenario('regex')).toEqual({ values: ['one', 'two'] });
    });
  });

  describe.skipIf(!canRunRealKafka())("Kafka's consumer and tools", () => {
    const java = ['-Xmx128m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'];
    const members: ChildProcess[] = [];
    const patience = { timeout: 90_000, interval: 200 };
    let classPath: string;
    let client: KafkaClient;
    let admin: Admin;
    beforeAll(async () => {
      classPath = (await kafkaJars()).join(':');
      const [host, port] = server.bootstrap.split(':') as [string, string];
      const parts = { clientId: 'test', clock: systemClock, random: systemRandom, logger: silentLogger };
      const bootstrap = [{ host, port: Number(port) }];
      client = createClient({ ...parts, transport: new SocketTransport({ ...parts, bootstrap }) });
      admin = client.admin();
    });
    afterAll(async () => {
      members.forEach((member) => member.kill('SIGKILL'));
      await client.close();
    });

    async function tool(name: string, ...args: string[]): Promise<string> {
      const command = [...java, '-cp', classPath, name, '--bootstrap-server', server.bootstrap, ...args];
      const { code, stdout, stderr } = await run('java', command, '', 110_000);
      if (code !== 0) throw new Error(`${name} ended with ${code}: ${stdout}${stderr}`);
      return stdout;
    }

    const groups = (...args: string[]) => tool('org.apache.kafka.tools.consumer.group.ConsumerGroupCommand', ...args);

    /** A consumer that stays; resolves when it has printed `count` lines. */
    function member(count: number, ...args: string[]): Promise<ChildProcess> {
      const consumer = 'org.apache.kafka.tools.consumer.ConsoleConsumer';
      const all = ['--bootstrap-server', server.bootstrap, '--command-property', 'group.protocol=consumer', ...args];
      const child = spawn('java', [...java, '-cp', classPath, consumer, ...all], { stdio: ['ignore', 'pipe', 'pipe'] });
      members.push(child);
      let output = '';
      return new Promise((resolve, reject) => {
        child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text));
        child.once('exit', (code) => reject(new Error(`The console consumer ended with ${code}: ${output}`)));
        let lines = 0;
        child.stdout.setEncoding('utf8').on('data', (text: string) => {
          output += text;
          lines += text.split('\n').length - 1;
          if (lines >= count) resolve(child);
        });
      });
    }

    test('read, are described, and leave what they have committed', { timeout: 240_000 }, async () => {
      const topic = 'java-topic';
      await admin.createTopic({ name: topic, partitions: 3 });
      const producer = client.producer();
      const lines = Array.from({ length: 30 }, (_, number) => Buffer.from(`line ${number}`));
      await producer.send(lines.map((value, number) => ({ topic, partition: number % 3, value })));
      await producer.close();
      const group = ['--group', 'java-group'];
      const commits = ['--command-property', 'auto.commit.interval.ms=200'];
      const child = await member(30, '--topic', topic, ...group, ...commits, '--from-beginning');
      const [state, roster, listed] = await Promise.all([
        groups('--describe', ...group, '--state'),
        groups('--describe', ...group, '--members', '--verbose'),
        groups('--list', '--type', 'consumer', '--state'),
      ]);
      expect(state).toMatch(/java-group +127\.0\.0\.1:\d+ +\(1\) +uniform +Stable +1/);
      expect(roster).toMatch(/java-group +\S+ +\/127\.0\.0\.1 +console-consumer +3 +\d+ +java-topic:0,1,2/);
      expect(listed).toMatch(/java-group +Consumer +Stable/);
      await vi.waitFor(async () => {
        const offsets = (await admin.groupOffsets('java-group')).get(topic)?.values() ?? [];
        expect([...offsets].map(({ offset }) => offset)).toEqual([10, 10, 10]);
      }, patience);
      child.kill('SIGKILL');
      // Killed: the group is empty when its session is over.
      const isEmpty = { state: 'Empty', members: [] };
      await vi.waitFor(async () => expect(await admin.describeGroup('java-group')).toMatchObject(isEmpty), patience);
    });

    test.each(['CooperativeStickyAssignor', 'RangeAssignor'])(
      'of the classic protocol (%s) share a group with those of the new one, and have it alone when these have left',
      { timeout: 240_000 },
      async (assignor) => {
        const topic = `java-${assignor}`;
        await admin.createTopic({ name: topic, partitions: 4 });
        const producer = client.producer();
        let sent = 0;
        const send = async () => {
          await producer.send([0, 1, 2, 3].map((partition) => ({ topic, partition, value: Buffer.from(`${sent++}`) })));
        };
        await send();
        const strategy = `partition.assignment.strategy=org.apache.kafka.clients.consumer.${assignor}`;
        const often = ['--command-property', 'heartbeat.interval.ms=500', '--command-property', strategy];
        const group = ['--topic', topic, '--group', topic, '--from-beginning'];
        const classic = await member(4, ...group, '--command-property', 'group.protocol=classic', ...often);
        const shares = async () => {
          const { members: all } = await admin.describeGroup(topic);
          return all.map(({ assignment }) => assignment.get(topic)?.length ?? 0).sort();
        };
        const fresh = member(1, ...group);
        await vi.waitFor(async () => {
          await send();
          expect(await shares()).toEqual([2, 2]);
        }, patience);
        (await fresh).kill('SIGTERM');
        await vi.waitFor(async () => expect(await shares()).toEqual([4]), patience);
        await producer.close();
        expect(classic.exitCode).toBeNull();
        classic.kill('SIGKILL');
      },
    );

    test('subscribe by a regular expression', { timeout: 240_000 }, async () => {
      const child = await member(30, '--include', 'java-.*', '--group', 'java-expression', '--from-beginning');
      child.kill('SIGKILL');
    });
  });
});
