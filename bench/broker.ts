// The broker beside a real Kafka in the same run: produce (acks=all) and consume with Kafka's own performance tools, 1 and 4 partitions, records of 200
// bytes and 1 KB, uncompressed and lz4; end-to-end latency at a tenth of the load; memory and start-up. Kafka runs twice: as it comes, when it leaves
// syncing to the system, and with flush.messages=1, which is as durable as we are. Needs a JDK and Maven.
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';
import { formatBytes, formatCount } from '../base/units.ts';
import { RecordCursor } from '../broker/wire/record-batch.ts';
import { withClient } from '../cli/connection.ts';
import { freePort, start, until } from '../test/support/command.ts';
import { canRunRealKafka, startRealKafka } from '../test/support/real-kafka.ts';

/** What is measured of each case, and what is produced before it: the tool's Java machine compiles for its first ten seconds, whatever the broker does. */
const megabytes = Number(process.env['BENCH_MEGABYTES'] ?? 150);
const warmUpMegabytes = Number(process.env['BENCH_WARM_UP_MEGABYTES'] ?? 150);
/** Only the cases whose names contain this, such as "4 partitions" or "lz4". */
const wanted = process.env['BENCH_CASE'] ?? '';
const latencySeconds = 8;
/** In turns: its 99th percentile is the disk's, which is shared. */
const latencyRounds = 3;
/** Kafka's own defaults of kafka-server-start.sh. */
const kafkaJava = ['-Xms1G', '-Xmx1G', '-XX:+UseG1GC', '-Xshare:auto'];
const execute = promisify(execFile);

interface Target {
  name: string;
  address: string;
  startMs: number;
  pid: number;
  idleBytes: number;
  stop: () => Promise<void>;
}

interface Case {
  partitions: number;
  recordBytes: number;
  codec: 'none' | 'lz4';
}

const cases: Case[] = [1, 4].flatMap((partitions) =>
  [200, 1024].flatMap((recordBytes) => (['none', 'lz4'] as const).map((codec) => ({ partitions, recordBytes, codec }))),
);

const nameOf = ({ partitions, recordBytes, codec }: Case) =>
  `${partitions} partition${partitions > 1 ? 's' : ''}, ${recordBytes} B, ${codec}`;

/** Has the system write what Kafka leaves to it, gigabytes by its default, so that whoever is measured next does not wait for that. */
async function settleDisk(): Promise<void> {
  await execute('sync');
}

/** Seconds of core time that a process has used so far. */
function coreSecondsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** Memory in use, and the most that ever was. */
function memoryOf(pid: number): { nowBytes: number; peakBytes: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const of = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)![1]) * 1024;
  return { nowBytes: of('VmRSS'), peakBytes: of('VmHWM') };
}

async function startOurs(folder: string): Promise<Target> {
  const port = await freePort();
  mkdirSync(join(folder, 'ours'));
  writeFileSync(join(folder, 'ours', 'broker.yaml'), `broker: { listen: "127.0.0.1:${port}" }\n`);
  const startedMs = performance.now();
  const command = start(['up', 'broker.yaml', '--data', 'data', '--log-level', 'warn'], { cwd: join(folder, 'ours') });
  await until('ready', () => command.stdout.includes('stop '), 20_000);
  const startMs = performance.now() - startedMs;
  const pid = command.process.pid!;
  const stop = async () => {
    command.signal('SIGTERM');
    await command.end();
  };
  await wait(3000);
  return { name: 'Tailrace', address: `127.0.0.1:${port}`, startMs, pid, idleBytes: memoryOf(pid).nowBytes, stop };
}

async function startKafka(name: string, settings: Record<string, string>): Promise<Target & { classPath: string }> {
  const kafka = await startRealKafka({ settings, java: kafkaJava });
  await wait(3000);
  const { port, pid, startMs, classPath } = kafka;
  const idleBytes = memoryOf(pid).nowBytes;
  return { name, address: `127.0.0.1:${port}`, startMs, pid, idleBytes, stop: () => kafka.stop(), classPath };
}

async function tool(classPath: string, name: string, args: readonly string[]): Promise<string> {
  const java = ['-Xmx512m', '-Dlog4j2.level=ERROR', '-cp', classPath, `org.apache.kafka.tools.${name}`, ...args];
  const { stdout } = await execute('java', java, { maxBuffer: 1 << 26 });
  return stdout;
}

const countOf = (megabytes: number, { recordBytes }: Case) => Math.round((megabytes * 1e6) / recordBytes);

/** Records per second after the warm-up. */
async function produce(classPath: string, { address }: Target, topic: string, one: Case) {
  const properties = [`bootstrap.servers=${address}`, 'acks=all', `compression.type=${one.codec}`];
  const printed = await tool(classPath, 'ProducerPerformance', [
    ...['--topic', topic, '--record-size', String(one.recordBytes), '--throughput', '-1'],
    ...['--num-records', String(countOf(warmUpMegabytes + megabytes, one))],
    ...['--warmup-records', String(countOf(warmUpMegabytes, one)), '--command-property', ...properties],
  ]);
  const summary = printed.trim().split('\n').at(-1)!;
  return Number(/steady state.* ([\d.]+) records\/sec/.exec(summary)![1]);
}

async function consume(classPath: string, { address }: Target, topic: string, one: Case) {
  const count = countOf(warmUpMegabytes + megabytes, one);
  const printed = await tool(classPath, 'ConsumerPerformance', [
    ...['--bootstrap-server', address, '--topic', topic, '--messages', String(count), '--hide-header'],
  ]);
  // The last column: records per second while fetching, without the time it takes to join the group.
  const columns = printed.trim().split('\n').at(-1)!.split(',');
  return Number(columns.at(-1));
}

async function createTopic({ address }: Target, name: string, partitions: number): Promise<void> {
  await withClient(address, (client) => client.admin().createTopic({ name, partitions }, { ifMissing: true }));
}

/** Milliseconds from send to poll, at `rate` records of 200 bytes a second: the median and the 99th percentile. */
async function latency(target: Target, topic: string, rate: number): Promise<{ median: number; p99: number }> {
  await createTopic(target, topic, 1);
  const tickMs = 10;
  return withClient(target.address, async (client) => {
    const consumer = client.consumer({ start: 'earliest', maxWaitMs: 100 });
    await consumer.assign([{ topic, partition: 0 }]);
    const producer = client.producer();
    await producer.init();
    const total = Math.round(rate * latencySeconds);
    const latencies: number[] = [];
    const reading = (async () => {
      while (latencies.length < total) {
        for (const { batches } of await consumer.poll()) {
          const nowMs = performance.now();
          for (const batch of batches) {
            const cursor = new RecordCursor(batch);
            while (cursor.next()) latencies.push(nowMs - cursor.buffer.readDoubleBE(cursor.valueStart));
          }
        }
      }
    })();
    const startedMs = performance.now();
    const sent: Promise<void>[] = [];
    for (let count = 0; count < total;) {
      const due = Math.min(total, Math.floor(((performance.now() - startedMs) / 1000) * rate));
      const records = Array.from({ length: due - count }, () => {
        const value = Buffer.alloc(200, 'x');
        value.writeDoubleBE(performance.now());
        return { topic, partition: 0, value };
      });
      count = due;
      if (records.length > 0) sent.push(producer.send(records));
      await wait(tickMs);
    }
    await Promise.all(sent);
    await reading;
    await Promise.all([consumer.close(), producer.close()]);
    // The first second warms both sides up.
    const measured = latencies.slice(Math.round(rate)).toSorted((left, right) => left - right);
    return { median: measured[Math.floor(measured.length / 2)]!, p99: measured[Math.floor(measured.length * 0.99)]! };
  });
}

export async function broker(folder: string): Promise<void> {
  if (!canRunRealKafka()) {
    console.log('broker: skipped, a JDK and Maven are needed for the real Kafka beside it');
    return;
  }
  const ours = await startOurs(folder);
  const theirs = await startKafka('Kafka, default flush', {});
  const synced = await startKafka('Kafka, flush.messages=1', { 'log.flush.interval.messages': '1' });
  const targets = [ours, theirs, synced];
  const { classPath } = theirs;
  try {
    console.log(
      `${megabytes} MB each after ${warmUpMegabytes} MB to warm up, acks=all, records per second; × is ours to theirs`,
    );
    let lowestPeak = Infinity;
    for (const one of cases.filter((each) => nameOf(each).includes(wanted))) {
      const { partitions, recordBytes, codec } = one;
      const topic = `bench-${partitions}-${recordBytes}-${codec}`;
      const run = async (work: (target: Target) => Promise<number>): Promise<Measured[]> => {
        const measured: Measured[] = [];
        for (const target of targets) {
          await settleDisk();
          const before = coreSecondsOf(target.pid);
          const rate = await work(target);
          measured.push({ rate, coreSeconds: coreSecondsOf(target.pid) - before });
        }
        return measured;
      };
      for (const target of targets) await createTopic(target, topic, partitions);
      const produced = await run((target) => produce(classPath, target, topic, one));
      const consumed = await run((target) => consume(classPath, target, topic, one));
      console.log(`${nameOf(one)}: produce ${compare(produced)}; consume ${compare(consumed)}`);
      if (partitions === 1 && recordBytes === 200 && codec === 'none')
        lowestPeak = Math.min(produced[0]!.rate, produced[2]!.rate);
    }
    if (lowestPeak === Infinity) return;
    console.log('reach: produce 1 × the default, 3 × flush.messages=1; consume 1 ×');
    const rate = lowestPeak / 10;
    for (let round = 1; round <= latencyRounds; round++) {
      for (const target of [ours, synced]) {
        await settleDisk();
        const { median, p99 } = await latency(target, `latency-${round}`, rate);
        const numbers = `median ${median.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms`;
        console.log(`latency at ${formatCount(Math.round(rate))}/s, round ${round}, ${target.name}: ${numbers}`);
      }
    }
    for (const { name, startMs, pid, idleBytes } of targets) {
      const { peakBytes } = memoryOf(pid);
      const memory = `idle ${formatBytes(idleBytes)}, peak ${formatBytes(peakBytes)}`;
      console.log(`${name}: start to ready ${Math.round(startMs)} ms, memory ${memory}`);
    }
  } finally {
    await Promise.allSettled(targets.map((target) => target.stop()));
  }
}

/** Records per second, and what the broker used for it of the machine's cores. */
interface Measured {
  rate: number;
  coreSeconds: number;
}

/** "1,000,000 with 0.5 s of a core (Kafka 900,000 with 0.9 s: 1.1 ×, with flush.messages=1 200,000 with 1.2 s: 5.0 ×)". */
function compare([ours, theirs, synced]: readonly Measured[]): string {
  const text = ({ rate, coreSeconds }: Measured) => `${formatCount(Math.round(rate))} with ${coreSeconds.toFixed(1)} s`;
  const ratio = (other: Measured) => `${text(other)}: ${(ours!.rate / other.rate).toFixed(1)} ×`;
  return `${text(ours!)} of a core (Kafka ${ratio(theirs!)}, with flush.messages=1 ${ratio(synced!)})`;
}
