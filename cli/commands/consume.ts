// `tailrace consume TOPIC`: records to standard output, a line each; read_committed, so what is shown is what counts.
import type { Command } from 'commander';
import { TailraceError } from '../../base/errors.ts';
import type { Consumer, FetchedBatches, KafkaClient, TopicPartition } from '../../broker/client/contract.ts';
import { RecordCursor } from '../../broker/wire/record-batch.ts';
import type { RecordFilter } from '../../pipelines/record-filter.ts';
import { withClient } from '../connection.ts';
import { parseCount } from '../counts.ts';
import { parseStart } from '../positions.ts';

interface Options {
  broker: string;
  from: string;
  until?: string;
  group?: string;
  where?: string;
  follow?: boolean;
  json?: boolean;
  max?: string;
}

/** Bytes out, with back-pressure: resolves when standard output takes more. Ends quietly when the reader has gone (`| head`). */
function writeOut(bytes: Buffer): Promise<void> {
  return new Promise((resolve) => {
    if (process.stdout.write(bytes)) resolve();
    else process.stdout.once('drain', resolve);
  });
}

async function filterOf(where: string | undefined): Promise<RecordFilter> {
  if (where === undefined) return () => true;
  const { compileRecordFilter } = await import('../../pipelines/record-filter.ts');
  return compileRecordFilter(where);
}

function textOf(cursor: RecordCursor, start: number, end: number): string | null {
  return start < 0 ? null : cursor.buffer.toString('utf8', start, end);
}

/** The records of one answer as output bytes, and how many they are; stops at `ends` and at `left`. */
function render(
  fetched: FetchedBatches,
  filter: RecordFilter,
  options: Options,
  end: number,
  left: number,
): { bytes: Buffer; count: number } {
  const pieces: Buffer[] = [];
  let count = 0;
  for (const batch of fetched.batches) {
    const cursor = new RecordCursor(batch);
    while (count < left && cursor.next()) {
      if (cursor.offset < fetched.fromOffset || cursor.offset >= end || !filter(cursor, fetched)) continue;
      count++;
      if (options.json) {
        const record = {
          topic: fetched.topic,
          partition: fetched.partition,
          offset: cursor.offset,
          timestamp: new Date(cursor.timestampMs).toISOString(),
          key: textOf(cursor, cursor.keyStart, cursor.keyEnd),
          value: textOf(cursor, cursor.valueStart, cursor.valueEnd),
        };
        pieces.push(Buffer.from(JSON.stringify(record) + '\n'));
      } else {
        if (cursor.valueStart >= 0) pieces.push(cursor.buffer.subarray(cursor.valueStart, cursor.valueEnd));
        pieces.push(Buffer.from('\n'));
      }
    }
  }
  return { bytes: Buffer.concat(pieces), count };
}

async function openConsumer(client: KafkaClient, topic: string, options: Options): Promise<Consumer> {
  const start = parseStart(options.from);
  const [metadata] = await client.admin().topics([topic]);
  if (metadata === undefined) throw new TailraceError('TLR_NOT_FOUND', `there is no topic ${topic}`);
  if (options.group !== undefined) {
    if (typeof start === 'object' && 'offset' in start) {
      throw new TailraceError('TLR_USAGE', '--from OFFSET does not go with --group: use tailrace groups reset');
    }
    const consumer = client.consumer({ groupId: options.group, topics: [topic], start });
    await consumer.start();
    return consumer;
  }
  const offset = typeof start === 'object' && 'offset' in start ? start.offset : undefined;
  const consumer = client.consumer({ ...(typeof start === 'object' && 'offset' in start ? {} : { start }) });
  await consumer.assign(
    metadata.partitions.map(({ partition }) => ({ topic, partition, ...(offset === undefined ? {} : { offset }) })),
  );
  await consumer.start();
  return consumer;
}

async function consume(client: KafkaClient, topic: string, options: Options, max: number): Promise<void> {
  if (options.until !== undefined && options.until !== 'now') {
    throw new TailraceError('TLR_USAGE', `--until ${options.until}: only "now" is known`);
  }
  const filter = await filterOf(options.where);
  const follow = options.follow === true || (options.until === undefined && options.group !== undefined);
  const ends = follow ? undefined : await client.admin().offsets(topic, 'latest-stable');
  const consumer = await openConsumer(client, topic, options);
  const stop = new AbortController();
  const onSignal = () => stop.abort();
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  process.stdout.once('error', onSignal);
  let left = max;
  const isDone = () =>
    left <= 0 ||
    (ends !== undefined &&
      consumer.assignment().every((one: TopicPartition) => consumer.position(one) >= (ends.get(one.partition) ?? 0)));
  try {
    while (!stop.signal.aborted && !isDone()) {
      for (const fetched of await consumer.poll(stop.signal)) {
        const { bytes, count } = render(fetched, filter, options, ends?.get(fetched.partition) ?? Infinity, left);
        left -= count;
        if (bytes.length > 0) await writeOut(bytes);
        if (options.group !== undefined) {
          await consumer.commit([{ topic, partition: fetched.partition, offset: fetched.nextOffset }]);
        }
      }
    }
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  } finally {
    await consumer.close();
  }
}

export function addConsume(program: Command, defaultBroker: string): void {
  program
    .command('consume <topic>')
    .description('read a topic to standard output, a line a record')
    .option(
      '--broker <addresses>',
      'HOST:PORT[,HOST:PORT…] of any Kafka broker, or @FILE with the properties of a Kafka client',
      defaultBroker,
    )
    .option('--from <position>', 'earliest | latest | OFFSET | TIME | -2h', 'earliest')
    .option('--until <end>', 'now: stop at what is there (the default without --follow and --group)')
    .option('--group <group>', 'as a member of this consumer group, committing what was written')
    .option('--where <cel>', 'only records for which the CEL expression is true, e.g. \'level == "error"\'')
    .option('--max <count>', 'stop after so many records')
    .option('--follow', 'go on as new records come')
    .option('--json', 'offset, time, key and value as JSON')
    .addHelpText(
      'after',
      "\nExamples:\n  tailrace consume npm --max 5\n  tailrace consume app --follow --where 'status >= 500'",
    )
    .action((topic: string, options: Options) => {
      const max = parseCount('--max', options.max) ?? Infinity;
      return withClient(options.broker, (client) => consume(client, topic, options, max));
    });
}
