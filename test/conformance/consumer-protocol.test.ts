// The new consumer protocol (KIP-848) as clients speak it: librdkafka (consumer_protocol.py has the scenarios) and Kafka's own consumer and tools, against
// our broker and, with CONFORMANCE=all, against Apache Kafka as a control. Skipped where Python, its package, a JDK or Maven is missing.
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
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
    let classPath: string;
    beforeAll(async () => {
      classPath = (await kafkaJars()).join(':');
    });
    afterAll(() => members.forEach((member) => member.kill('SIGKILL')));

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
          lines += text.split('\n').length - 1;
          if (lines >= count) resolve(child);
        });
      });
    }

    test('read, are described, and leave what they have committed', async () => {
      const topic = ['--topic', 'java-topic'];
      await tool('org.apache.kafka.tools.TopicCommand', '--create', ...topic, '--partitions', '3');
      const producer = [
        '-cp',
        classPath,
        'org.apache.kafka.tools.ConsoleProducer',
        '--bootstrap-server',
        server.bootstrap,
      ];
      const lines = Array.from({ length: 30 }, (_, number) => `line ${number}\n`).join('');
      expect(await run('java', [...java, ...producer, ...topic], lines, 110_000)).toMatchObject({ code: 0 });
      const group = ['--group', 'java-group'];
      const commits = ['--command-property', 'auto.commit.interval.ms=200'];
      const child = await member(30, ...topic, ...group, ...commits, '--from-beginning');
      const [state, roster, listed] = await Promise.all([
        groups('--describe', ...group, '--state'),
        groups('--describe', ...group, '--members', '--verbose'),
        groups('--list', '--type', 'consumer', '--state'),
      ]);
      expect(state).toMatch(/java-group +127\.0\.0\.1:\d+ +\(1\) +uniform +Stable +1/);
      expect(roster).toMatch(/java-group +\S+ +\/127\.0\.0\.1 +console-consumer +3 +1 +java-topic:0,1,2/);
      expect(listed).toMatch(/java-group +Consumer +Stable/);
      child.kill('SIGKILL');
      const until = Date.now() + 60_000;
      let offsets = '';
      // Killed: the group is empty when its session is over.
      while (!/has no active members/.test(offsets) && Date.now() < until)
        offsets = await groups('--describe', ...group);
      const committed = [...offsets.matchAll(/java-topic +\d +(\d+) +\d+ +(\d+)/g)].map(([, at, lag]) => [
        Number(at),
        Number(lag),
      ]);
      expect(committed.reduce((sum, [at]) => sum + at!, 0)).toBe(30);
      expect(committed.every(([, lag]) => lag === 0)).toBe(true);
    });

    test('subscribe by a regular expression', async () => {
      const child = await member(30, '--include', 'java-.*', '--group', 'java-expression', '--from-beginning');
      child.kill('SIGKILL');
    });
  });
});
