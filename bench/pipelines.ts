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

const lineCount = Number(process.env['BENCH_LINES'] ?? 400_000);
const rounds = Number(process.env['BENCH_ROUNDS'] ?? 3);
const batchRecords = 2000;

interface Case {
  name: string;
  line: (index: number) => string;
  steps: Record<string, unknown>[];
  /** Lines per second that are to be reached. */
  goal: number;
  /** What the machine can do at most with such lines, whatever the product does around it. */
  limit: (line: string) => unknown;
}

const accessLine = (index: number) =>
  `10.${index % 256}.${(index >> 8) % 256}.7 - - [22/Nov/2026:10:${String(Math.floor(index / 60) % 60).padStart(2, '0')}:${String(index % 60).padStart(2, '0')} +0000] ` +
  `"GET /api/v1/items/${index} HTTP/1.1" ${index % 11 === 0 ? 404 : 200} ${index % 9973} "-" "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) bench"`;

const jsonLine = (index: number) =>
  JSON.stringify({
    time: `2026-11-22T10:00:${String(index % 60).padStart(2, '0')}.123Z`,
    level: index % 10 === 0 ? 'debug' : 'info',
    service: `service-${index % 7}`,
    message: `request ${index} was handled`,
    user: { id: index, name: `user-${index % 1000}` },
    took_ms: index % 997,
  });

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

function fetches(line: Case['line']): FetchedBatches[] {
  const result: FetchedBatches[] = [];
  const builder = new BatchBuilder(1024 * 1024);
  for (let offset = 0; offset < lineCount; offset += batchRecords) {
    const count = Math.min(batchRecords, lineCount - offset);
    for (let index = 0; index < count; index++)
      builder.append(1_795_341_600_000, null, Buffer.from(line(offset + index)));
    const batch = builder.build();
    batch.writeBigInt64BE(BigInt(offset), 0);
    const nextOffset = offset + count;
    result.push({
      ...{ topic: 't', topicId: Buffer.alloc(16), partition: 0, batches: [batch], fromOffset: offset, nextOffset },
      ...{ highWatermark: lineCount, lastStableOffset: lineCount },
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

/** The three functions with the most samples of their own, in percent of all. */
async function hottest(work: () => Promise<void>): Promise<string> {
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.start');
  await work();
  const { profile } = await session.post('Profiler.stop');
  session.disconnect();
  const samples = new Map<string, number>();
  let total = 0;
  for (const { callFrame, hitCount = 0 } of profile.nodes) {
    if (callFrame.functionName === '(idle)' || callFrame.functionName === '(program)') continue;
    const file = callFrame.url.slice(callFrame.url.lastIndexOf('/') + 1);
    const name = `${callFrame.functionName || 'anonymous'}${file === '' ? '' : ` (${file}:${callFrame.lineNumber + 1})`}`;
    samples.set(name, (samples.get(name) ?? 0) + hitCount);
    total += hitCount;
  }
  const first = [...samples].toSorted((one, other) => other[1] - one[1]).slice(0, 3);
  return first.map(([name, count]) => `${name} ${((count / total) * 100).toFixed(0)} %`).join(', ');
}

/** `npm run bench pipelines`. */
export async function pipelines(): Promise<void> {
  for (const { name, line, steps, goal, limit } of cases) {
    const compiled = compile(steps);
    const data = fetches(line);
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
    console.log(`  profile: ${await hottest(run)}`);
  }
}
