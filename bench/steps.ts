// Steps alone, in this process and on one core: fetched batches in, batches for a sink out, as an edge runs them. Beside the lines per second stand the
// profile's first three functions, and the limit of the same machine in the same run: JSON.parse and JSON.stringify of the same lines, and one
// regular expression over them.
import { Session } from 'node:inspector/promises';
import { agentDefinitions } from '../agents/index.ts';
import { formatCount } from '../base/units.ts';
import type { FetchedBatches } from '../broker/client/contract.ts';
import { BatchBuilder } from '../broker/wire/batch-builder.ts';
import { planFromObject } from '../pipelines/load.ts';
import type { CompiledStep } from '../pipelines/plan.ts';
import { Transformer } from '../pipelines/transform.ts';
import { sinkDefinitions } from '../sinks/index.ts';
import { accessLine, jsonLine } from './lines.ts';
import { hottest } from './measured.ts';

const lineCount = Number(process.env['BENCH_LINES'] ?? 400_000);
const rounds = Number(process.env['BENCH_ROUNDS'] ?? 3);

interface Case {
  name: string;
  line: (index: number) => string;
  steps: Record<string, unknown>[];
  /** Lines per second that are to be reached. */
  goal: number;
  /** What the machine can do at most with such lines, whatever the product does around it. */
  limit: (line: string) => unknown;
}

const combined = /^(\S+) (\S+) (\S+) \[([^\]]+)\] "(\S+) (\S+) HTTP\/([\d.]+)" (\d{3}) (\d+|-) "([^"]*)" "([^"]*)"/;

const cases: Case[] = [
  {
    name: 'parse json + drop + set',
    line: jsonLine,
    steps: [{ parse: 'json' }, { drop: 'level == "debug"' }, { set: { env: '"prod"', slow: 'took_ms > 500' } }],
    goal: 150_000,
    limit: (line) => JSON.stringify(JSON.parse(line)),
  },
  {
    name: 'grok on access logs',
    line: accessLine,
    steps: [{ parse: { grok: '%{COMBINEDAPACHELOG}' } }],
    goal: 100_000,
    limit: (line) => JSON.stringify(combined.exec(line)),
  },
  {
    name: 'parse nginx_combined',
    line: accessLine,
    steps: [{ parse: 'nginx_combined' }],
    goal: 100_000,
    limit: (line) => JSON.stringify(combined.exec(line)),
  },
];

function compile(steps: Record<string, unknown>[]): readonly CompiledStep[] {
  const config = { topics: { t: {} }, sinks: { s: 'stdout' }, pipelines: { p: { from: 't', steps, to: 's' } } };
  const { plan, problems } = planFromObject(config, { agents: agentDefinitions, sinks: sinkDefinitions });
  if (plan === undefined) throw new Error(problems.map(({ message }) => message).join('\n'));
  return plan.pipelines[0]!.steps;
}

/** Lines as a consumer gets them, in batches of `batchRecords`. */
export function fetchesOf(line: (index: number) => string, lines: number, batchRecords: number): FetchedBatches[] {
  const result: FetchedBatches[] = [];
  const builder = new BatchBuilder(1024 * 1024);
  for (let offset = 0; offset < lines; offset += batchRecords) {
    const count = Math.min(batchRecords, lines - offset);
    for (let index = 0; index < count; index++)
      builder.append(1_795_341_600_000, null, Buffer.from(line(offset + index)));
    const batch = builder.build();
    batch.writeBigInt64BE(BigInt(offset), 0);
    const nextOffset = offset + count;
    result.push({
      ...{ topic: 't', topicId: Buffer.alloc(16), partition: 0, batches: [batch], fromOffset: offset, nextOffset },
      ...{ highWatermark: lines, lastStableOffset: lines },
    });
  }
  return result;
}

/** Lines per second of wall time, and of the core's own time: the second is the better number on a machine that others use too. */
interface Speed {
  wall: number;
  core: number;
}

async function measure(work: () => Promise<void>): Promise<Speed> {
  const cpu = process.cpuUsage();
  const startedMs = performance.now();
  await work();
  const seconds = (performance.now() - startedMs) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  return { wall: lineCount / seconds, core: (lineCount / (user + system)) * 1e6 };
}

async function profileOf(work: () => Promise<void>): Promise<string> {
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.start');
  await work();
  const { profile } = await session.post('Profiler.stop');
  session.disconnect();
  return hottest(profile);
}

/** `npm run bench steps`: a part of `npm run bench pipelines`. */
export async function steps(): Promise<void> {
  for (const { name, line, steps: asked, goal, limit } of cases) {
    const compiled = compile(asked);
    const data = fetchesOf(line, lineCount, 2000);
    const run = async () => {
      const transformer = new Transformer({ steps: compiled, names: undefined, askedPaths: [] });
      for (const fetched of data) {
        const { deadLetters } = await transformer.run(fetched, Infinity);
        if (deadLetters.length > 0) throw new Error(deadLetters[0]!.reason);
      }
    };
    const bare = () => {
      for (let index = 0; index < lineCount; index++) limit(line(index));
      return Promise.resolve();
    };
    const lineOnly = () => {
      for (let index = 0; index < lineCount; index++) line(index);
      return Promise.resolve();
    };
    await run();
    const speeds: Speed[] = [];
    for (let round = 0; round < rounds; round++) speeds.push(await measure(run));
    const best = speeds.toSorted((one, other) => other.wall - one.wall)[0]!;
    await bare();
    const [whole, making] = [await measure(bare), await measure(lineOnly)];
    const bareSpeed = 1 / (1 / whole.core - 1 / making.core);
    console.log(
      `${name}: ${formatCount(Math.round(best.wall))} lines/s (${formatCount(Math.round(best.core))} per second of one core; goal ${formatCount(goal)})`,
    );
    console.log(
      `  the bare parsing: ${formatCount(Math.round(bareSpeed))} lines/s; ours is ${(best.core / bareSpeed).toFixed(2)} of it`,
    );
    console.log(`  profile: ${await profileOf(run)}`);
  }
}
