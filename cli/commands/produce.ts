// `tailrace produce TOPIC`: standard input in, a record a line; done means durable.
import type { Command } from 'commander';
import { systemClock } from '../../base/clock.ts';
import type { KafkaClient } from '../../broker/client/contract.ts';
import { withClient } from '../connection.ts';
import { note, printJson } from '../output.ts';

interface Options {
  broker: string;
  key?: string;
  json?: boolean;
}

const newline = 0x0a;
const chunkRecords = 1000;
/** A broker that takes nothing for so long is said. */
const patienceMs = 3_000;

/** Standard input as lines without their newline; a last line without one counts too. Bytes stay bytes. */
export async function* linesOf(input: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let rest: Buffer[] = [];
  for await (const chunk of input) {
    let start = 0;
    for (let end = chunk.indexOf(newline); end !== -1; end = chunk.indexOf(newline, start)) {
      const piece = chunk.subarray(start, end);
      yield rest.length === 0 ? piece : Buffer.concat([...rest, piece]);
      rest = [];
      start = end + 1;
    }
    if (start < chunk.length) rest.push(chunk.subarray(start));
  }
  if (rest.length > 0) yield Buffer.concat(rest);
}

/** As Kafka's own producers do with auto.create.topics.enable. */
async function ensureTopic(client: KafkaClient, name: string): Promise<void> {
  if ((await client.admin().topics([name])).length > 0) return;
  await client.admin().createTopic({ name }, { ifMissing: true });
  note(`created topic ${name}`);
}

/** The client repeats what a broker does not take now for as long as it takes: whoever waits is to know. */
async function sayWhenSlow(sending: Promise<unknown>): Promise<void> {
  const timer = systemClock.schedule(patienceMs, () =>
    note(
      'waiting: the broker does not take the records now; its log says why (a full disk, max_disk, a leader that is away). They are sent again; Ctrl-C ends it',
    ),
  );
  await sending.finally(() => timer.cancel());
}

async function produce(client: KafkaClient, topic: string, options: Options): Promise<void> {
  await ensureTopic(client, topic);
  const producer = client.producer();
  const key = options.key === undefined ? null : Buffer.from(options.key);
  let records: Buffer[] = [];
  let count = 0;
  const send = async () => {
    await sayWhenSlow(producer.send(records.map((value) => ({ topic, key, value }))));
    count += records.length;
    records = [];
  };
  try {
    for await (const line of linesOf(process.stdin)) {
      records.push(Buffer.from(line));
      if (records.length >= chunkRecords) await send();
    }
    if (records.length > 0) await send();
  } finally {
    await producer.close();
  }
  if (options.json) printJson({ topic, records: count });
  else note(`${count} records are durable in ${topic}`);
}

export function addProduce(program: Command, defaultBroker: string): void {
  program
    .command('produce <topic>')
    .description('write standard input to a topic, a record a line')
    .option(
      '--broker <addresses>',
      'HOST:PORT[,HOST:PORT…] of any Kafka broker, or @FILE with the properties of a Kafka client',
      defaultBroker,
    )
    .option('--key <key>', 'key of all records: they keep their order')
    .option('--json', 'the count as JSON')
    .addHelpText('after', '\nExample:\n  echo hello | tailrace produce greetings')
    .action((topic: string, options: Options) =>
      withClient(options.broker, (client) => produce(client, topic, options)),
    );
}
