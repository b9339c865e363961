// The tail agent on the real broker, in process and over a socket: lines and positions in one transaction, restarts, the file registry.
import { appendFileSync, renameSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../base/clock.ts';
import { silentLogger } from '../../../base/logger.ts';
import { systemRandom } from '../../../base/random.ts';
import { createClient } from '../../../broker/client/client.ts';
import type { KafkaClient } from '../../../broker/client/contract.ts';
import { FileRegistry } from '../../../broker/client/file-registry.ts';
import { InProcessTransport } from '../../../broker/client/in-process-transport.ts';
import { decodeFileReference, type FileReference } from '../../../broker/client/positions-record.ts';
import { SocketTransport } from '../../../broker/client/socket-transport.ts';
import { RecordCursor } from '../../../broker/wire/record-batch.ts';
import { startTestBroker, type TestBroker } from '../../support/test-broker.ts';
import { TailBench, until } from '../support/tail-bench.ts';

interface Line extends FileReference {
  text: string;
}

/** Everything committed to the topic "lines", once there is at least `count` of it. */
async function read(client: KafkaClient, count: number): Promise<Line[]> {
  const consumer = client.consumer({ isolation: 'read_committed', start: 'earliest', maxWaitMs: 50 });
  const lines: Line[] = [];
  try {
    await consumer.assign([{ topic: 'lines', partition: 0 }]);
    await consumer.start();
    const ends = await client.admin().offsets('lines', 'latest');
    while (lines.length < count || consumer.position({ topic: 'lines', partition: 0 }) < ends.get(0)!) {
      for (const { batches } of await consumer.poll()) {
        for (const batch of batches) {
          const cursor = new RecordCursor(batch);
          while (cursor.next()) {
            lines.push({ text: cursor.value()!.toString(), ...decodeFileReference(cursor.header('t')!) });
          }
        }
      }
    }
  } finally {
    await consumer.close();
  }
  return lines;
}

describe.each(['in process', 'over a socket'])('a tail agent on the broker, %s', (way) => {
  let bench: TailBench;
  let testBroker: TestBroker;
  const clients: KafkaClient[] = [];

  function connect(): KafkaClient {
    const transport =
      way === 'in process'
        ? new InProcessTransport(testBroker.broker, 'tail')
        : new SocketTransport({
            ...{ bootstrap: [{ host: '127.0.0.1', port: testBroker.port }], clientId: 'tail' },
            ...{ clock: systemClock, random: systemRandom, logger: silentLogger },
          });
    const client = createClient({
      ...{ transport, clientId: 'tail', clock: systemClock, random: systemRandom, logger: silentLogger },
    });
    clients.push(client);
    return client;
  }

  beforeEach(async () => {
    bench = new TailBench();
    testBroker = await startTestBroker({ socket: way !== 'in process' });
  });
  afterEach(async () => {
    await bench.close();
    await Promise.all(clients.splice(0).map((client) => client.close()));
    await testBroker.close();
  });

  it('sends each line once through restarts of both', async () => {
    const expected = Array.from({ length: 3_000 }, (_none, index) => `line ${index}`);
    const part = (from: number, to: number) => expected.slice(from, to).join('\n') + '\n';
    writeFileSync(bench.path('a.log'), part(0, 1_000));
    await bench.once(connect(), { paths: ['*.log*'] });
    appendFileSync(bench.path('a.log'), part(1_000, 2_000));
    renameSync(bench.path('a.log'), bench.path('a.log.1'));
    writeFileSync(bench.path('a.log'), part(2_000, 3_000));
    await testBroker.restart();
    const client = connect();
    const agent = await bench.once(client, { paths: ['*.log*'] });
    expect(agent.ledger()).toMatchObject({ committedLines: { lines: 2_000 }, totalLines: { lines: 3_000 } });
    const lines = await read(client, 3_000);
    expect(lines.map(({ text }) => text)).toEqual(expected);
    const again = await bench.once(client, { paths: ['*.log*'] });
    expect(again.ledger().committedLines).toEqual({});
  });

  it('lets anybody look up where a line came from, also after a rotation', async () => {
    writeFileSync(bench.path('a.log'), 'one\ntwo\n');
    const client = connect();
    const agent = await bench.start(client, { paths: ['*.log*'] });
    const [first, second] = await read(client, 2);
    expect([first!.position, second!.position]).toEqual([0, 4]);
    const registry = new FileRegistry(client, systemClock);
    expect(await registry.resolve(first!.file)).toEqual({
      ...{ path: bench.path('a.log'), host: 'here', agent: 'app', instance: 'one' },
    });
    expect(await registry.resolve('000000000000')).toBeUndefined();
    renameSync(bench.path('a.log'), bench.path('a.log.1'));
    writeFileSync(bench.path('a.log'), 'three\n');
    await until(() => agent.ledger().committedLines['lines'] === 3);
    const third = (await read(client, 3))[2]!;
    expect((await registry.resolve(third.file))?.path).toBe(bench.path('a.log'));
    await registry.refresh();
    expect(registry.peek(first!.file)?.path).toBe(bench.path('a.log.1'));
    await registry.close();
  });
});
