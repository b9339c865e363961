// One process on one disk, in virtual time, and the power failures that may end it at any step: for traces of which many states are drawn
// (test/crash/*-states.test.ts).
import { silentLogger } from '../../../base/logger.ts';
import { type Random, seededRandom } from '../../../base/random.ts';
import type { CrashFiles } from '../crash-files.ts';
import { MountedFiles, SimulatedDisk } from './disks.ts';
import { SimulatedNetwork } from './network.ts';
import type { Surroundings } from './programs.ts';
import { SimulatedStore } from './store.ts';
import { SimulatedProcess, VirtualTime } from './time.ts';

/** Within this time everything that a life has to do is done. */
const limitMs = 200_000;

export interface LifeOptions {
  seed: number;
  time: VirtualTime;
  /** What is on the disk; empty when not given. */
  files?: CrashFiles;
  /** A disk beside it that keeps everything. */
  logs?: SimulatedDisk;
}

export class Life {
  readonly disk: SimulatedDisk;
  readonly surroundings: Surroundings;
  private readonly time: VirtualTime;

  private constructor({ seed, time, logs }: LifeOptions, disk: SimulatedDisk) {
    const random = seededRandom(seed);
    const process = new SimulatedProcess('process', time);
    const files = new MountedFiles(process, logs === undefined ? [disk] : [disk, logs]);
    const network = new SimulatedNetwork(time, random);
    const store = new SimulatedStore(random);
    this.time = time;
    this.disk = disk;
    this.surroundings = { process, files, random, logger: silentLogger, network, store };
  }

  static async begin(options: LifeOptions): Promise<Life> {
    const { seed, time, files } = options;
    return new Life(options, await SimulatedDisk.create('/data', time, seededRandom(seed), files));
  }

  /** Steps that its disk has taken. */
  get steps(): number {
    return this.disk.files.steps;
  }

  /** Lets it go on for so long, or until that is enough, and ends it in the middle of what it does. */
  async endAfter(durationMs: number, isEnough?: () => boolean): Promise<void> {
    await this.time.run(durationMs, isEnough);
    this.surroundings.process.kill();
  }

  /** Lets time pass until `work` is done. Rejects as it does, and when it takes too long. */
  async complete(work: () => Promise<void>): Promise<void> {
    const done = new AbortController();
    const working = work().finally(() => done.abort());
    working.catch(() => undefined);
    const isDone = await this.time.run(limitMs, () => done.signal.aborted);
    if (!isDone) throw new Error(`not everything was done within ${limitMs} ms`);
    await working;
  }
}

export interface PowerFailures {
  /** The life whose trace is stopped; it has ended. */
  life: Life;
  random: Random;
  /** How many steps of the trace are drawn; each gives two states. */
  draws: number;
  /** When the next lives begin. */
  atMs: number;
  logs?: SimulatedDisk;
  /** Lets the new life do its work and throws when a promise that was made up to `steps` is broken. */
  check: (life: Life, steps: number) => Promise<void>;
}

/** Stops the trace after drawn steps and begins a new life on what is left; then once more after a step of that life. */
export async function failPower({ life, random, draws, atMs, logs, check }: PowerFailures): Promise<void> {
  const { files } = life.disk;
  const stepFrom = (from: number, to: number) => from + Math.floor(random.next() * (to - from + 1));
  const next = (left: CrashFiles) => {
    const time = Object.assign(new VirtualTime(), { ms: atMs });
    const seed = Math.floor(random.next() * 2 ** 31);
    return Life.begin({ seed, time, files: left, ...(logs === undefined ? {} : { logs }) });
  };
  for (let draw = 0; draw < draws; draw++) {
    const steps = stepFrom(1, files.steps);
    try {
      const left = files.crash(steps, random);
      const begin = left.steps;
      await check(await next(left), steps);
      await check(await next(left.crash(stepFrom(begin, left.steps), random)), steps);
    } catch (error) {
      throw new Error(`state ${draw}, after step ${steps} of ${files.steps}`, { cause: error });
    }
  }
}
