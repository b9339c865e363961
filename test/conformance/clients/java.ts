// Clients in Java: the commands that come with Kafka, and its verifiable clients, all in one Java machine.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { JavaTools, Tool } from '../../support/java-tools.ts';
import { administer, type Member, resumeReading, watchRebalance } from './courses.ts';
import { type Driver, numbered, type Place } from './features.ts';

const tools = 'org.apache.kafka.tools';
const console = { producer: `${tools}.ConsoleProducer`, consumer: `${tools}.consumer.ConsoleConsumer` };

/** Runs a tool, which must succeed, and returns what it printed. */
async function succeed(java: JavaTools, main: string, place: Place, args: readonly string[], input = '') {
  const { code, stdout, stderr } = await java.run(main, ['--bootstrap-server', place.bootstrap, ...args], input);
  if (code !== 0) throw new Error(`${main} ${args.join(' ')} ended with ${code}: ${stdout}${stderr}`);
  return stdout;
}
const linesOf = (text: string) => (text === '' ? [] : text.trimEnd().split('\n'));

export async function openConsole(java: JavaTools): Promise<Driver> {
  const produce = (place: Place, args: readonly string[], values: readonly string[]) =>
    succeed(
      java,
      console.producer,
      place,
      ['--topic', place.name, ...args],
      values.map((value) => `${value}\n`).join(''),
    );
  const consume = async (place: Place, count: number, args: readonly string[] = []) => {
    const limits = ['--max-messages', String(count), '--timeout-ms', '30000'];
    return linesOf(await succeed(java, console.consumer, place, ['--topic', place.name, ...limits, ...args]));
  };
  const fromBeginning = ['--from-beginning'];
  const ofGroup = ({ name }: Place) => ['--group', name, ...fromBeginning];
  const properties = (names: readonly string[]) => names.flatMap((name) => ['--formatter-property', `${name}=true`]);
  return {
    version: await versionOf(java),
    choosesTimes: false,
    async records(place, records) {
      const headers = records[0]!.headers.map(([name, value]) => `${name}:${value}`).join(',');
      const reader = ['parse.key=true', 'key.separator=:', 'parse.headers=true'];
      const sent = records.map(({ key, value }) => `${headers}\t${key}:${value}`);
      await produce(
        place,
        reader.flatMap((property) => ['--reader-property', property]),
        sent,
      );
      const shown = properties(['print.key', 'print.headers', 'print.timestamp']);
      return (await consume(place, records.length, [...fromBeginning, ...shown])).map((line) => {
        const [time, pairs, key, value] = line.split('\t') as [string, string, string, string];
        return {
          ...{ key, value, timestamp: Number(time.replace('CreateTime:', '')) },
          headers: pairs.split(',').map((pair) => pair.split(':') as [string, string]),
        };
      });
    },
    async compression(place, codec, values) {
      await produce(place, ['--compression-codec', codec], values);
      return consume(place, values.length, fromBeginning);
    },
    rebalance(place, values) {
      const member = (id: string): Member => {
        const args = ['--bootstrap-server', place.bootstrap, '--topic', place.name, ...ofGroup(place)];
        const tool = java.start(console.consumer, [...args, '--command-property', `client.id=${id}`]);
        return {
          values: () => linesOf(tool.stdout),
          partitions: () => partitionsOf(place, id),
          stop: () => tool.stop(),
        };
      };
      const partitionsOf = async (at: Place, id: string) => {
        const described = await succeed(java, `${tools}.consumer.group.ConsumerGroupCommand`, at, [
          ...['--describe', '--group', at.name, '--members'],
        ]).catch(() => '');
        const line = linesOf(described).find((each) => each.split(/\s+/).includes(id));
        return Number(line?.trim().split(/\s+/).at(-1) ?? 0);
      };
      return watchRebalance([member('one'), member('two')], values, (half) => produce(place, [], half));
    },
    resume: (place, values) =>
      resumeReading(
        values,
        (some) => produce(place, [], some),
        (count) => consume(place, count, ofGroup(place)),
      ),
    admin: (place) => administration(java, place),
    async times(place, timestamp) {
      const ask = async (at: string) =>
        Number(
          (await succeed(java, `${tools}.GetOffsetShell`, place, ['--topic', place.name, '--time', at])).split(':')[2],
        );
      return { offset: await ask(String(timestamp)), end: await ask('latest') };
    },
  };
}

const versionOf = async (java: JavaTools) =>
  (await java.run(`${tools}.TopicCommand`, ['--version'])).stdout.trim().split(' ')[0]!;

function administration(java: JavaTools, place: Place) {
  const name = ['--topic', place.name];
  const topics = (...args: string[]) => succeed(java, `${tools}.TopicCommand`, place, args);
  const settings = ['--entity-type', 'topics', '--entity-name', place.name];
  const configs = (...args: string[]) => succeed(java, 'kafka.admin.ConfigCommand', place, [...args, ...settings]);
  return administer({
    create: () => topics('--create', ...name, '--partitions', '2', '--config', 'retention.ms=12345'),
    isListed: async () => linesOf(await topics('--list')).includes(place.name),
    partitions: async () => Number(/PartitionCount: (\d+)/.exec(await topics('--describe', ...name))?.[1]),
    retention: async () => /retention.ms=(\d+)/.exec(await configs('--describe'))![1]!,
    addPartition: () => topics('--alter', ...name, '--partitions', '3'),
    alter: () => configs('--alter', '--add-config', 'retention.ms=54321'),
    remove: () => topics('--delete', ...name),
  });
}

interface Event {
  name: string;
  value?: string;
  partitions?: unknown[];
}
const eventsOf = (tool: Tool) =>
  linesOf(tool.stdout).flatMap((line) => (line.startsWith('{') ? [JSON.parse(line) as Event] : []));

export async function openVerifiable(java: JavaTools): Promise<Driver> {
  /** Sends the numbers from 0 on, as the tool does. */
  const produce = (place: Place, prefix: string, count: number, settings = '') => {
    const folder = mkdtempSync(join(tmpdir(), 'tailrace-verifiable-'));
    const file = join(folder, 'producer.properties');
    writeFileSync(file, settings);
    const limits = ['--max-messages', String(count), '--value-prefix', prefix, '--command-config', file];
    const produced = succeed(java, `${tools}.VerifiableProducer`, place, ['--topic', place.name, ...limits]);
    return produced.finally(() => rmSync(folder, { recursive: true, force: true }));
  };
  const consumer = (place: Place, args: readonly string[] = []) => {
    const own = ['--bootstrap-server', place.bootstrap, '--topic', place.name, '--group-id', place.name];
    const tool = java.start(`${tools}.VerifiableConsumer`, [
      ...own,
      '--verbose',
      '--reset-policy',
      'earliest',
      ...args,
    ]);
    const values = () => eventsOf(tool).flatMap(({ name, value }) => (name === 'record_data' ? [value!] : []));
    return { tool, values };
  };
  const take = async (place: Place, count: number) => {
    const { tool, values } = consumer(place, ['--max-messages', String(count)]);
    await tool.end();
    return values();
  };
  return {
    version: await versionOf(java),
    expects: {
      compression: numbered('0.', 0, 100),
      rebalance: [...numbered('0.', 0, 20), ...numbered('1.', 0, 20)],
      resume: [...numbered('0.', 0, 60), ...numbered('1.', 0, 10)],
      transactions: { values: numbered('0.', 0, 100), offset: 100 },
    },
    async compression(place, codec, values) {
      await produce(place, '0', values.length, `compression.type=${codec}\nlinger.ms=200\n`);
      return take(place, values.length);
    },
    rebalance(place, values) {
      const member = (): Member => {
        const { tool, values: read } = consumer(place);
        const partitions = () =>
          eventsOf(tool).findLast(({ name }) => name === 'partitions_assigned')?.partitions?.length ?? 0;
        return { values: read, partitions, stop: () => tool.stop() };
      };
      const send = (half: readonly string[], index: number) => produce(place, String(index), half.length);
      return watchRebalance([member(), member()], values, send);
    },
    resume: (place, values) =>
      resumeReading(
        values,
        (some, index) => produce(place, String(index), some.length),
        (count) => take(place, count),
      ),
    async transactions(place) {
      await produce(place, '0', 100);
      const target = `${place.name}-copy`;
      await succeed(java, `${tools}.TopicCommand`, place, ['--create', '--topic', target]);
      await java.run(`${tools}.TransactionalMessageCopier`, [
        ...['--broker-list', place.bootstrap, '--input-topic', place.name, '--input-partition', '0'],
        ...['--output-topic', target, '--transactional-id', place.name, '--consumer-group', place.name],
        ...['--transaction-size', '7', '--max-messages', '100', '--enable-random-aborts', '--group-mode'],
      ]);
      const limits = ['--topic', target, '--from-beginning', '--timeout-ms', '3000'];
      const committed = ['--isolation-level', 'read_committed'];
      return linesOf(await succeed(java, console.consumer, place, [...limits, ...committed]));
    },
  };
}
