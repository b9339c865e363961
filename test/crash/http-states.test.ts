// HTTP ingest with Idempotency-Keys on a disk that loses its power: clients hand requests to the agent's intake while a trace is taken; from drawn states
// a new life recovers, and everybody sends every request once more. What was acknowledged is there and recognised, what was not is there once after the repeat,
// and each key still refuses another body. CRASH_STATES and CRASH_TRACES make it long, CRASH_SEED repeats a trace.
import { expect, it } from 'vitest';
import { Account } from '../../agents/http/account.ts';
import { Intake } from '../../agents/http/intake.ts';
import { seededRandom } from '../../base/random.ts';
import { failPower, Life } from '../support/simulation/life.ts';
import { networkClient, openBroker } from '../support/simulation/programs.ts';
import { VirtualTime } from '../support/simulation/time.ts';
import { readAll } from '../support/topic-readers.ts';

const traces = Number(process.env['CRASH_TRACES'] ?? 1);
const draws = Number(process.env['CRASH_STATES'] ?? 40);
const clients = 4;
const enough = 60;
const traceLimitMs = 60_000;

interface Request {
  key: string;
  lines: string[];
  /** Steps that the disk had taken when it was acknowledged. */
  stored?: number;
}

function isAcknowledged({ stored }: Request): boolean {
  return stored !== undefined;
}

async function openIntake({ surroundings }: Life) {
  const broker = await openBroker(surroundings);
  const { process, files, random, logger } = surroundings;
  const client = networkClient(surroundings);
  const context = { name: 'push', instance: 'one', host: 'host', client, files, clock: process.clock, random, logger };
  const intake = new Intake({
    ...{ context, topics: new Set(['lines']), account: new Account(), keepKeysMs: 86_400_000 },
    onCommitted: () => undefined,
    doubtful: undefined,
  });
  await intake.open();
  const close = async () => {
    intake.stop();
    await intake.run();
    await intake.close();
    await client.close();
    await broker.close();
  };
  return { intake, client, close };
}

function submit(intake: Intake, { key, lines }: Request, hash = key): Promise<'stored' | 'repeated'> {
  const source = Buffer.from(lines.join('\n'));
  const spans: number[] = [];
  let start = 0;
  for (const line of lines) {
    spans.push(start, start + line.length);
    start += line.length + 1;
  }
  return intake.submit({ parts: [{ topic: 'lines', source, spans }], keyed: { key, hash, count: lines.length } });
}

/** Clients that send one request after the other, until the power fails. */
async function live(life: Life, random: ReturnType<typeof seededRandom>): Promise<Request[]> {
  const requests: Request[] = [];
  const work = async (client: number, intake: Intake) => {
    for (let number = 0; ; number++) {
      const count = 1 + Math.floor(random.next() * 5);
      const key = `${client}-${number}`;
      const lines = Array.from({ length: count }, (_, index) => `${key} ${index} ${'x'.repeat(random.next() * 200)}`);
      const request: Request = { key, lines };
      requests.push(request);
      await submit(intake, request);
      request.stored = life.steps;
      await life.surroundings.process.time.sleep(random.next() * 40);
    }
  };
  openIntake(life).then(
    ({ intake }) => {
      for (let client = 0; client < clients; client++) void work(client, intake);
    },
    () => undefined,
  );
  await life.endAfter(traceLimitMs, () => requests.filter(isAcknowledged).length >= enough);
  return requests;
}

async function check(life: Life, requests: readonly Request[], steps: number): Promise<void> {
  const times = new Map<string, number>();
  await life.complete(async () => {
    const { intake, client, close } = await openIntake(life);
    const again = async (request: Request) => {
      const answer = await submit(intake, request);
      if (request.stored !== undefined && request.stored <= steps) expect(answer).toBe('repeated');
      expect(await submit(intake, request)).toBe('repeated');
      await expect(submit(intake, request, 'another body')).rejects.toMatchObject({ status: 422 });
    };
    await Promise.all(requests.map(again));
    await life.surroundings.process.time.sleep(5000);
    await readAll(client, 'lines', (_place, _offset, line) => times.set(line, (times.get(line) ?? 0) + 1));
    await close();
  });
  expect(times).toEqual(new Map(requests.flatMap(({ lines }) => lines.map((line) => [line, 1]))));
}

async function trace(seed: number, { disksLie = false } = {}): Promise<void> {
  const random = seededRandom(seed);
  const life = await Life.begin({ seed, time: new VirtualTime() });
  life.disk.isLying = disksLie;
  const requests = await live(life, random);
  const acknowledged = requests.filter(isAcknowledged).length;
  expect(acknowledged).toBeGreaterThanOrEqual(enough);
  const failures = { life, random, draws, atMs: traceLimitMs };
  await failPower({ ...failures, check: (next, steps) => check(next, requests, steps) });
  console.log(`trace ${seed}: ${life.steps} steps, ${acknowledged} requests acknowledged, ${2 * draws} states`);
}

const seeds = Array.from({ length: traces }, (_, index) => Number(process.env['CRASH_SEED'] ?? 1) + index);
it.each(seeds)('keeps what it acknowledged and knows repeats, whenever the power fails, trace %i', (seed) =>
  trace(seed),
);

it('notices a disk that does not keep what it says is synced', async () => {
  await expect(trace(1, { disksLie: true })).rejects.toThrow();
});
