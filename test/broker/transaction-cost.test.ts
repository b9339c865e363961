// What a transaction of this process costs: records, positions and offsets of a group wait for the disk once, when the decision is asked for.
import { afterEach, expect, test, vi } from 'vitest';
import { systemClock } from '../../base/clock.ts';
import type { Files } from '../../base/files.ts';
import { silentLogger } from '../../base/logger.ts';
import { nodeFiles } from '../../base/node-files.ts';
import { systemRandom } from '../../base/random.ts';
import { createClient } from '../../broker/client/client.ts';
import { InProcessTransport } from '../../broker/client/in-process-transport.ts';
import { startTestBroker, type TestBroker } from '../support/test-broker.ts';

/** The real files, whose syncs can be held back. */
class GatedFiles {
  isHeld = false;
  private held: (() => void)[] = [];

  get waiting(): number {
    return this.held.length;
  }

  letGo(): void {
    for (const release of this.held.splice(0)) release();
  }

  readonly files: Files = {
    ...nodeFiles,
    open: async (path, mode) => {
      const file = await nodeFiles.open(path, mode);
      const sync = file.sync.bind(file);
      file.sync = async () => {
        if (this.isHeld) await new Promise<void>((resolve) => this.held.push(resolve));
        await sync();
      };
      return file;
    },
  };
}

let server: TestBroker | undefined;
afterEach(() => server?.close());

test('records of two topics and offsets of a group are taken while the disk does not answer; the commit waits for it', async () => {
  const gate = new GatedFiles();
  server = await startTestBroker({ socket: false, files: gate.files });
  const transport = new InProcessTransport(server.broker, 'test');
  const client = createClient({
    transport,
    clientId: 'test',
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
  });
  const admin = client.admin();
  for (const name of ['lines', 'positions']) await admin.createTopic({ name });
  const producer = client.producer({ transactionalId: 'edge' });
  await producer.init();
  const group = { groupId: 'g', generation: -1, memberId: '', instanceId: undefined };
  const fill = async (value: string) => {
    const transaction = producer.begin();
    transaction.send([{ topic: 'lines', value: Buffer.from(value) }]);
    transaction.send([{ topic: 'positions', key: Buffer.from('file'), value: Buffer.from(value) }]);
    await transaction.sendOffsets([{ topic: 'lines', partition: 0, offset: 1 }], group);
    return transaction;
  };
  await (await fill('first')).commit();
  gate.isHeld = true;
  // Would never end if one of these waited for a sync.
  const transaction = await fill('second');
  let isCommitted = false;
  const committed = transaction.commit().then(() => (isCommitted = true));
  await vi.waitFor(() => expect(gate.waiting).toBeGreaterThan(0));
  expect(isCommitted).toBe(false);
  gate.isHeld = false;
  gate.letGo();
  await committed;
  await client.close();
});
