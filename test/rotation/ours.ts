// Tailrace under test: a real `tailrace up` with one agent for each watch, its topics read over a socket by our own client.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { withClient } from '../../cli/connection.ts';
import { RecordCursor } from '../../broker/wire/record-batch.ts';
import { freePort, run, type RunningCommand, start, until } from '../support/command.ts';
import { Arrived } from './lines.ts';
import type { Subject, Watch } from './subject.ts';

export class Ours implements Subject {
  readonly name = 'tailrace';
  /** Its log, from all lives. */
  log = '';
  private readonly folder: string;
  private readonly watches: readonly Watch[];
  private readonly found = new Map<string, Arrived>();
  private readonly offsets = new Map<string, number>();
  private looking: Promise<ReadonlyMap<string, Arrived>> = Promise.resolve(new Map());
  private port = 0;
  private command: RunningCommand | undefined;

  constructor(folder: string, watches: readonly Watch[]) {
    this.folder = folder;
    this.watches = watches;
    for (const { name, cell } of watches) this.found.set(name, new Arrived(cell));
  }

  get pid(): number | undefined {
    return this.command?.process.pid;
  }

  private async arguments(): Promise<string[]> {
    if (this.port === 0) {
      this.port = await freePort();
      const agents = this.watches.map(({ name, pattern }) => `  ${name}: { type: tail, paths: [ "${pattern}" ] }`);
      const text = `broker: { listen: "127.0.0.1:${this.port}" }\nagents:\n${agents.join('\n')}\n`;
      writeFileSync(join(this.folder, 'rotation.yaml'), text);
    }
    return ['up', 'rotation.yaml', '--data', 'data', '--log', 'json'];
  }

  async start(): Promise<void> {
    const command = start(await this.arguments(), { cwd: this.folder });
    this.command = command;
    await until(
      'tailrace is up',
      async () => {
        if (command.process.exitCode !== null) throw new Error(`ended: ${command.stderr}`);
        return withClient(this.broker, () => Promise.resolve(true)).catch(() => false);
      },
      60_000,
    );
  }

  private get broker(): string {
    return `127.0.0.1:${this.port}`;
  }

  async stop(): Promise<void> {
    this.command?.signal('SIGTERM');
    await this.ended();
  }

  async kill(): Promise<void> {
    this.command?.signal('SIGKILL');
    await this.ended();
  }

  private async ended(): Promise<void> {
    const result = await this.command?.end(60_000);
    this.log += result?.stderr ?? '';
    this.command = undefined;
  }

  /** What the agent says of bytes that it had seen and that were destroyed, in all its lives. */
  reportedBytes(agent: string): number {
    let bytes = 0;
    for (const line of this.log.split('\n')) {
      if (!line.includes('"fromByte"')) continue;
      const said = JSON.parse(line) as { agent: string; fromByte: number; toByte: number };
      if (said.agent === agent) bytes += said.toByte - said.fromByte;
    }
    return bytes;
  }

  /** One look at a time: each goes on where the one before ended. */
  arrived(): Promise<ReadonlyMap<string, Arrived>> {
    this.looking = this.looking.then(
      () => this.look(),
      () => this.look(),
    );
    return this.looking;
  }

  private async look(): Promise<ReadonlyMap<string, Arrived>> {
    await withClient(this.broker, async (client) => {
      const consumer = client.consumer({ isolation: 'read_committed', start: 'earliest', maxWaitMs: 100 });
      const topics = await client.admin().topics(this.watches.map(({ name }) => name));
      const ends = new Map<string, number>();
      for (const { name } of topics) ends.set(name, (await client.admin().offsets(name, 'latest-stable')).get(0) ?? 0);
      const behind = topics.filter(({ name }) => (this.offsets.get(name) ?? 0) < ends.get(name)!);
      if (behind.length === 0) return;
      await consumer.assign(
        behind.map(({ name }) => ({ topic: name, partition: 0, offset: this.offsets.get(name) ?? 0 })),
      );
      while (behind.some(({ name }) => (this.offsets.get(name) ?? 0) < ends.get(name)!)) {
        for (const { topic, batches, fromOffset, nextOffset } of await consumer.poll()) {
          this.take(topic, batches, fromOffset);
          this.offsets.set(topic, nextOffset);
        }
      }
      await consumer.close();
    });
    return this.found;
  }

  private take(topic: string, batches: readonly Buffer[], fromOffset: number): void {
    const arrived = this.found.get(topic)!;
    for (const batch of batches) {
      const cursor = new RecordCursor(batch);
      while (cursor.next()) if (cursor.offset >= fromOffset) arrived.add(cursor.value()!.toString('latin1'));
    }
  }

  async finish(): Promise<ReadonlyMap<string, Arrived>> {
    await this.stop();
    const last = await run([...(await this.arguments()), '--once', '--json'], { cwd: this.folder, timeoutMs: 600_000 });
    this.log += last.stderr;
    if (last.code !== 0) throw new Error(`up --once ended with ${last.code}: ${last.stdout}${last.stderr}`);
    // A further life finds nothing new.
    await this.start();
    const found = await this.arrived();
    await this.stop();
    return found;
  }
}
