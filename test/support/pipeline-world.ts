// A real broker in process, a client, and pipelines made by hand: for tests of the running loop. kill() drops everything as kill -9 would: nothing is
// closed, nothing decided; the next runner starts on what is on disk.
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { systemClock } from '../../base/clock.ts';
import { TailraceError } from '../../base/errors.ts';
import type { Files } from '../../base/files.ts';
import { type Logger, silentLogger } from '../../base/logger.ts';
import { nodeFiles } from '../../base/node-files.ts';
import { systemRandom } from '../../base/random.ts';
import { createClient } from '../../broker/client/client.ts';
import type { KafkaClient, Producer, RequestHandler } from '../../broker/client/contract.ts';
import { SocketTransport } from '../../broker/client/socket-transport.ts';
import { InProcessTransport } from '../../broker/client/in-process-transport.ts';
import type { CompiledStep, EdgePlan, PipelinePlan, SinkPlan } from '../../pipelines/plan.ts';
import type { Event, StepResult } from '../../pipelines/steps/step.ts';
import { PipelineRunner } from '../../pipelines/runner.ts';
import { fileSink } from '../../sinks/file/sink.ts';
import type { SinkDefinition } from '../../sinks/sink.ts';
import { startTestBroker, type TestBroker } from './test-broker.ts';

export class PipelineWorld {
  readonly folder: string;
  client: KafkaClient;
  private readonly test: TestBroker;
  private producer: Producer | undefined;

  private constructor(folder: string, test: TestBroker) {
    this.folder = folder;
    this.test = test;
    this.client = this.newClient();
  }

  static async open({ socket = false } = {}): Promise<PipelineWorld> {
    const folder = await mkdtemp(join(tmpdir(), 'tailrace-pipelines-'));
    return new PipelineWorld(folder, await startTestBroker({ socket }));
  }

  newClient(broker: RequestHandler = this.test.broker): KafkaClient {
    const transport = new InProcessTransport(broker, 'test');
    return createClient({
      transport,
      clientId: 'test',
      clock: systemClock,
      random: systemRandom,
      logger: silentLogger,
    });
  }

  /** For a world that was opened with a socket. */
  socketClient(): KafkaClient {
    const bootstrap = [{ host: '127.0.0.1', port: this.test.port }];
    const transport = new SocketTransport({ bootstrap, clientId: 'test', clock: systemClock });
    return createClient({
      transport,
      clientId: 'test',
      clock: systemClock,
      random: systemRandom,
      logger: silentLogger,
    });
  }

  /** A client whose requests are lost from cut() on: what was sent before may still have happened. */
  cuttableClient(): { client: KafkaClient; cut: () => void } {
    const { broker } = this.test;
    let isCut = false;
    const client = this.newClient({
      handle: (api, version, body, sender) =>
        isCut
          ? Promise.reject(new TailraceError('TLR_CLOSED', 'the test cut the connection'))
          : broker.handle(api, version, body, sender),
      versions: () => broker.versions(),
      features: () => broker.features(),
    });
    return { client, cut: () => (isCut = true) };
  }

  /** As if the process had ended: members of this process are gone, open transactions are left to be fenced. */
  async restartBroker(): Promise<void> {
    await this.test.restart();
    this.client = this.newClient();
    this.producer = undefined;
  }

  createTopic(name: string, partitions = 1): Promise<void> {
    return this.client.admin().createTopic({ name, partitions });
  }

  /** Writes lines in one transaction, as agents do. */
  async write(
    topic: string,
    lines: readonly string[],
    options: { partition?: number; abort?: boolean; timestampMs?: number } = {},
  ): Promise<void> {
    if (this.producer === undefined) {
      this.producer = this.client.producer({ transactionalId: 'writer' });
      await this.producer.init();
    }
    const { partition = 0, timestampMs = 1_700_000_000_000 } = options;
    const transaction = this.producer.begin();
    transaction.send(lines.map((line) => ({ topic, partition, value: Buffer.from(line), timestampMs })));
    await (options.abort === true ? transaction.abort() : transaction.commit());
  }

  runner(
    pipelines: readonly PipelinePlan[],
    options: { client?: KafkaClient; files?: Files; instance?: string; logger?: Logger } = {},
  ): PipelineRunner {
    const { client = this.client, files = nodeFiles, instance = 'here', logger = silentLogger } = options;
    return new PipelineRunner({
      pipelines,
      client,
      instance,
      files,
      scratch: join(this.folder, 'scratch'),
      clock: systemClock,
      random: systemRandom,
      logger,
    });
  }

  /** All values of a topic, committed ones only. */
  async values(topic: string): Promise<{ value: string; headers: Map<string, Buffer | null> }[]> {
    const { PassThroughBatch } = await import('../../pipelines/source-batch.ts');
    const ends = await this.client.admin().offsets(topic, 'latest');
    const consumer = this.client.consumer({ isolation: 'read_committed', maxWaitMs: 100 });
    await consumer.assign([...ends.keys()].map((partition) => ({ topic, partition, offset: 0 })));
    const found: { value: string; headers: Map<string, Buffer | null> }[] = [];
    while ([...ends].some(([partition, end]) => consumer.position({ topic, partition }) < end)) {
      for (const fetched of await consumer.poll()) {
        new PassThroughBatch(fetched).forEach((record) => {
          const headers = new Map(record.headers().map(({ key, value }) => [key, value]));
          found.push({ value: record.source().toString(), headers });
        });
      }
    }
    await consumer.close();
    return found;
  }

  /** Published files by path below the folder, unpacked; hidden ones are left out. */
  async published(below = 'out'): Promise<Map<string, string>> {
    const root = join(this.folder, below);
    const entries = await readdir(root, { recursive: true, withFileTypes: true }).catch(() => []);
    const files = new Map<string, string>();
    for (const entry of entries.filter((each) => each.isFile() && !each.name.startsWith('.'))) {
      const bytes = await readFile(join(entry.parentPath, entry.name));
      const text = entry.name.endsWith('.gz')
        ? gunzipSync(bytes)
        : entry.name.endsWith('.zst')
          ? zstdDecompressSync(bytes)
          : bytes;
      files.set(join(entry.parentPath, entry.name).slice(root.length + 1), text.toString());
    }
    return new Map([...files].sort(([first], [second]) => (first < second ? -1 : 1)));
  }

  /** The lines of all published files, in the order of their names. */
  async lines(below = 'out'): Promise<string[]> {
    return [...(await this.published(below)).values()].flatMap((text) => text.split('\n').slice(0, -1));
  }

  async leftOvers(below = 'out'): Promise<string[]> {
    const names = await readdir(join(this.folder, below), { recursive: true }).catch(() => []);
    return names.filter((name) => name.slice(name.lastIndexOf('/') + 1).startsWith('.'));
  }

  fileSink(path: string, settings: Record<string, unknown> = {}): SinkPlan {
    return {
      name: 'files',
      definition: fileSink,
      settings: fileSink.settings.parse({ path: join(this.folder, 'out', path), ...settings }),
    };
  }

  async close(): Promise<void> {
    await this.client.close();
    await this.test.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** A pipeline with one edge, with what a test does not say filled in. */
export function pipeline(from: string, target: SinkPlan | string, given: Partial<PipelinePlan> = {}): PipelinePlan {
  const name = given.name ?? 'web';
  const edge: EdgePlan =
    typeof target === 'string'
      ? { group: `${name}.${target}`, target: { kind: 'topic', topic: target } }
      : { group: `${name}.${target.name}`, target: { kind: 'sink', sink: target } };
  return {
    ...{
      name,
      from: [from],
      fromPatterns: [],
      start: 'earliest',
      until: undefined,
      steps: [],
      stepsFingerprint: '',
      edges: [edge],
      deadLetterTopic: `${name}.dlq`,
    },
    ...given,
  };
}

/** A step from a function. */
export function step(apply: (event: Event) => StepResult, given: Partial<CompiledStep> = {}): CompiledStep {
  return { name: 'test', place: 'test.yaml:1:1', step: { apply }, when: undefined, onError: 'dlq', ...given };
}

/** A sink plan from a definition of the test's own. */
export function sinkPlan(name: string, open: SinkDefinition<unknown>['open']): SinkPlan {
  return {
    name,
    settings: {},
    definition: {
      ...{ type: name, summary: name, settings: { parse: () => ({}) } },
      ...{ describe: () => name, describeGuarantee: () => name, fromUrl: () => undefined, open },
    },
  };
}

export function numbered(count: number, from = 0, prefix = 'line'): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix} ${from + index}`);
}
