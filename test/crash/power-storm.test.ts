// Real power cuts: data directory and sink lie on a file system of their own, which is shut down without its journal under a running `tailrace up`, again
// and again; a second sink and a consumer stand beside it, where the power stays on. In the end every line is in both sinks exactly once, and what
// anybody has seen is still there. A control run whose syncs do nothing must fail, or the storm would prove nothing.
// POWER_CUTS sets the number of cuts; the long form takes xfs too (POWER_FILE_SYSTEMS=ext4,xfs).
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { isDeepStrictEqual as equals } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { type Random, seededRandom } from '../../base/random.ts';
import { endAll, freePort, root, run, start, until } from '../support/command.ts';
import { countLines, type Outcome, RotatingWriter } from '../support/numbered-lines.ts';
import { Onlooker } from '../support/onlooker.ts';
import { type FileSystem, freeze, PowerDisk, whyNoPowerDisk } from '../support/power-disk.ts';

const cuts = Number(process.env['POWER_CUTS'] ?? 6);
const seed = Number(process.env['POWER_SEED'] ?? Date.now() % 1_000_000);
const fileSystems = (process.env['POWER_FILE_SYSTEMS'] ?? 'ext4').split(',') as FileSystem[];
/** Then a new disk: the image does not grow for ever. */
const cutsPerDisk = 20;
/** The control run gives up when so many cuts did no harm. */
const harmlessCuts = 10;
const timeoutMs = 120_000 + cuts * 5000;
const noSync = { NODE_OPTIONS: `--import ${join(root, 'bench', 'no-sync.mjs')}` };

let storm: Storm | undefined;

/** Ends whatever a storm has left. */
async function calm(): Promise<void> {
  await endAll();
  await storm?.end();
  storm = undefined;
}
afterEach(calm);

interface Damage {
  /** Sink on the disk whose power fails. */
  inside: Outcome;
  /** Sink where the power stays on. */
  outside: Outcome;
  /** Offsets that a consumer had seen and that have another record now, or none. */
  seen: { changed: number; gone: number };
}

class Storm {
  readonly writer: RotatingWriter;
  private readonly folder = mkdtempSync(join(tmpdir(), 'tailrace-storm-'));
  private readonly disk: PowerDisk;
  private readonly onlooker: Onlooker;
  private readonly env: Record<string, string>;
  private readonly random: Random;

  constructor(fileSystem: FileSystem, port: number, random: Random, env: Record<string, string> = {}) {
    this.env = env;
    this.random = random;
    const { folder } = this;
    this.disk = new PowerDisk(fileSystem);
    const roll = 'roll: { size: 1MB, age: 300ms }';
    writeFileSync(
      join(folder, 'storm.yaml'),
      `
data: ${this.disk.path}/data
broker: { listen: "127.0.0.1:${port}" }
agents: { app: { type: tail, paths: [ "${folder}/app.log*" ] } }
topics: { app: { partitions: 1, settings: { segment.bytes: 4000000 } } }
pipelines: { keep: { from: app, to: [ inside, outside ] } }
sinks:
  inside: { type: file, path: "${this.disk.path}/out/{partition}-{offset}.log", ${roll} }
  outside: { type: file, path: "${folder}/out/{partition}-{offset}.log", ${roll} }
`,
    );
    this.writer = new RotatingWriter(join(folder, 'app.log'));
    this.onlooker = new Onlooker(port, 'app');
  }

  /** Runs for a while, then the power goes; with `early`, while it starts. */
  async cut(early = false): Promise<void> {
    const command = start(['up', 'storm.yaml'], { cwd: this.folder, env: this.env });
    if (early) await wait(this.random.next() * 400);
    else {
      await until('the broker answers', () => command.stdout.includes('broker') || command.process.exitCode !== null);
      this.onlooker.look();
      await wait(300 + this.random.next() * 700);
    }
    expect(command.process.exitCode, command.stderr).toBeNull();
    // What the process has told until here counts; nothing that a dying disk answers does.
    await freeze(command.process.pid!);
    const stopped = this.onlooker.stop();
    this.disk.fail();
    command.signal('SIGKILL');
    await Promise.all([command.end(), stopped]);
    this.disk.restore();
  }

  /** Lets everything come to its end, within `timeoutMs`, and counts. */
  async damage(timeoutMs: number): Promise<Damage> {
    await this.writer.stop();
    const last = await run(['up', 'storm.yaml', '--once', '--json'], { cwd: this.folder, env: this.env, timeoutMs });
    expect(last.code, last.stderr).toBe(0);
    const count = (path: string) => countLines(join(path, 'out'), this.writer.written);
    const [inside, outside] = [await count(this.disk.path), await count(this.folder)];
    const command = start(['up', 'storm.yaml'], { cwd: this.folder, env: this.env });
    await until('the broker answers', () => command.stdout.includes('broker'));
    const seen = await this.onlooker.lookAgain();
    command.signal('SIGTERM');
    await command.end();
    return { inside, outside, seen };
  }

  get seen(): number {
    return this.onlooker.seen.size;
  }

  async end(): Promise<void> {
    await this.onlooker.stop();
    await this.writer.stop();
    this.disk.close();
    rmSync(this.folder, { recursive: true });
  }
}

const unharmed: Damage = {
  inside: { lost: 0, doubled: 0 },
  outside: { lost: 0, doubled: 0 },
  seen: { changed: 0, gone: 0 },
};

describe.each(fileSystems)('power cuts on %s', (fileSystem) => {
  const reason = whyNoPowerDisk(fileSystem);
  const random = seededRandom(seed);
  const skipped = reason === undefined ? '' : ` (skipped: ${reason})`;

  it.skipIf(reason)(
    `lose, double and change nothing, ${cuts} of them, seed ${seed}${skipped}`,
    async () => {
      for (let done = 0; done < cuts; done += cutsPerDisk) {
        storm = new Storm(fileSystem, await freePort(), random);
        const round = Math.min(cutsPerDisk, cuts - done);
        for (let count = 0; count < round; count++) await storm.cut(random.next() < 0.25);
        const seen = storm.seen;
        const damage = await storm.damage(120_000);
        console.log(
          `${fileSystem}: ${storm.writer.written} lines, ${round} cuts, ${seen} seen: ${JSON.stringify(damage)}`,
        );
        expect(damage).toEqual(unharmed);
        expect(seen).toBeGreaterThan(1000);
        await calm();
      }
    },
    timeoutMs,
  );

  it.skipIf(reason)(
    `do harm when the syncs do nothing (control)${skipped}`,
    async () => {
      let harm = '';
      for (let count = 0; count < harmlessCuts && harm === ''; count++) {
        storm = new Storm(fileSystem, await freePort(), random, noSync);
        await storm.cut();
        // A log that refuses to open again counts, too; the process was well before the cut.
        const damage = await storm.damage(20_000).catch((error: unknown) => String(error).split('\n')[0]!);
        if (!equals(damage, unharmed)) harm = JSON.stringify(damage);
        await calm();
      }
      console.log(`${fileSystem}, control: ${harm}`);
      expect(harm).not.toBe('');
    },
    timeoutMs,
  );
});
