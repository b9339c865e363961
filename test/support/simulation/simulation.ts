// A whole Tailrace in one process and in virtual time: log files, agent, broker with its coordinators, edges in two members or everything in one appliance, a
// foreign transactional producer and readers. Faults come as the seed draws them: kills, power failures, pauses, jumps of clocks, broken and full disks, a network that
// loses, delays and repeats. Then they end, everything must be delivered in time, and the history is checked. The same seed gives the same run.
import { recordingLogger, type LoggedLine } from '../recording-logger.ts';
import { type Random, seededRandom } from '../../../base/random.ts';
import { History, type Value } from '../history.ts';
import { followTopic, readAll } from '../topic-readers.ts';
import { MountedFiles, SimulatedDisk } from './disks.ts';
import type { FaultKind, SimulationOptions } from './faults.ts';
import { fleeting, FleetingTopic } from './fleeting.ts';
import { LogProgram, parseValue } from './log-files.ts';
import { type NetworkFaults, noFaults, SimulatedNetwork } from './network.ts';
import {
  networkClient,
  type Program,
  startAgent,
  startAppliance,
  startBroker,
  startEdges,
  startWriter,
  type Surroundings,
  topics,
  type WriterState,
} from './programs.ts';
import { SimulatedStore } from './store.ts';
import { SimulatedProcess, VirtualTime } from './time.ts';

export interface SimulationReport {
  lines: number;
  transactions: number;
  faults: number;
  /** How often the topic that comes and goes was made, and the records of its last life. */
  topicLives: number;
  lastLifeRecords: number;
  /** How long it took from the last fault until everything was delivered. */
  recoveryMs: number;
  /** The same for two runs of the same seed. */
  fingerprint: string;
}

interface Role {
  name: string;
  disks: readonly SimulatedDisk[];
  start: (surroundings: Surroundings) => Promise<Program>;
}

interface Life {
  role: Role;
  process: SimulatedProcess;
  program: Program | undefined;
}

/** Everything must be delivered so long after the last fault: transactions and sessions of the dead time out within a minute or so. */
const defaultRecoveryLimitMs = 400_000;
/** Then what is late may still arrive. */
const settleMs = 25_000;

export class Simulation {
  readonly log: LoggedLine[] = [];
  private readonly options: SimulationOptions;
  private readonly random: Random;
  private readonly time = new VirtualTime();
  private readonly history = new History();
  private readonly network: SimulatedNetwork;
  private readonly store: SimulatedStore;
  private readonly lives = new Map<string, Life>();
  private readonly writer: WriterState = {
    next: 0,
    transactions: 0,
    isOver: false,
    committed: new Set(),
    history: this.history,
  };
  private readonly programs: LogProgram[] = [];
  private disks!: { data: SimulatedDisk; out: SimulatedDisk; logs: SimulatedDisk };
  private faults = 0;
  private isCalm = false;
  /** Only where topics come and go. */
  private fleeting: FleetingTopic | undefined;
  /** Distinct values seen in the topic `copy`. */
  private readonly copied = new Set<string>();

  constructor(options: SimulationOptions) {
    this.options = options;
    this.random = seededRandom(options.seed + 1);
    this.network = new SimulatedNetwork(this.time, this.fork());
    this.store = new SimulatedStore(this.fork());
  }

  /** The last of what the processes had to say, for people. */
  tail(count = 40): string {
    const lines = this.log.filter(({ level }) => level === 'warn' || level === 'error').slice(-count);
    return lines.map(({ message, fields }) => `  ${message} ${JSON.stringify(fields)}`).join('\n');
  }

  /** Throws when a promise was broken, or when not everything was delivered in time. */
  async run(): Promise<SimulationReport> {
    await this.setUp();
    const { faultsMs, recoveryLimitMs = defaultRecoveryLimitMs } = this.options;
    this.time.schedule(1000, () => this.nextFault());
    await this.time.run(faultsMs);
    this.calmDown();
    const calmMs = this.time.ms;
    const delivered = this.delivery();
    const isDelivered = await this.time.run(recoveryLimitMs, () => delivered.aborted);
    const recoveryMs = this.time.ms - calmMs;
    if (!isDelivered)
      throw new Error(`not everything was delivered within ${recoveryLimitMs} ms: ${await this.counts()}`);
    await this.time.run(settleMs);
    const lastLifeRecords = await this.check();
    const { counts } = this.network;
    const fingerprint = JSON.stringify([this.time.moments, recoveryMs, counts, this.writer.next, this.store.repeated]);
    const { faults, fleeting } = this;
    const topic = { topicLives: fleeting?.lives ?? 0, lastLifeRecords };
    return {
      lines: this.lineCount(),
      transactions: this.writer.transactions,
      faults,
      ...topic,
      recoveryMs,
      fingerprint,
    };
  }

  private fork(): Random {
    return seededRandom(Math.floor(this.random.next() * 2 ** 32));
  }

  private async setUp(): Promise<void> {
    const { time, history } = this;
    const logs = await SimulatedDisk.create('/logs', time, this.fork());
    const data = await SimulatedDisk.create('/data', time, this.fork());
    const out = await SimulatedDisk.create('/out', time, this.fork());
    this.disks = { logs, data, out };
    for (const disk of [data, out]) disk.isLying = this.options.disksLie === true;
    for (const name of ['a', 'b', 'c']) {
      const program = new LogProgram(name, { files: logs.files, time, random: this.fork(), history });
      this.programs.push(program);
      void program.run(() => this.isCalm);
    }
    const roles: Role[] =
      this.options.shape === 'appliance'
        ? [{ name: 'appliance', disks: [out, data, logs], start: (surroundings) => startAppliance(surroundings) }]
        : [
            { name: 'broker', disks: [data], start: startBroker },
            { name: 'agent', disks: [logs], start: startAgent },
            { name: 'edges-one', disks: [out], start: startEdges('one', true) },
            { name: 'edges-two', disks: [out], start: startEdges('two', false) },
          ];
    roles.push({ name: 'writer', disks: [logs], start: startWriter(this.writer) });
    this.fleeting = this.options.kinds.includes('topic') ? this.beginFleeting() : undefined;
    for (const role of roles) this.begin(role);
    this.watch();
  }

  /** Readers of every topic, out of the reach of kills. */
  private watch(): void {
    const surroundings = this.surroundings(new SimulatedProcess('watcher', this.time), []);
    const client = networkClient(surroundings);
    for (const [topic, partitions] of Object.entries(topics)) {
      const visit = (partition: string, offset: number, line: string) => {
        this.history.read(`watcher of ${topic}`, partition, offset, parseValue(line));
        if (topic === 'copy') this.copied.add(line);
      };
      void followTopic(
        { client, clock: surroundings.process.clock, topic, partitions, visit },
        new AbortController().signal,
      );
    }
  }

  /** Whoever deletes it, makes it again and writes into it is out of the reach of kills. */
  private beginFleeting(): FleetingTopic {
    const { history, store } = this;
    const surroundings = this.surroundings(new SimulatedProcess('operator', this.time), []);
    const { process, random } = surroundings;
    const connect = () => networkClient(surroundings);
    const files = () => this.delivered('fleeting');
    return new FleetingTopic({ connect, clock: process.clock, random, history, store, files });
  }

  private surroundings(process: SimulatedProcess, disks: readonly SimulatedDisk[]): Surroundings {
    const { network, store } = this;
    const files = new MountedFiles(process, disks);
    const logger = recordingLogger(this.log, { process: process.name });
    const hasFleeting = this.options.kinds.includes('topic');
    return { process, files, random: this.fork(), logger, network, store, hasFleeting };
  }

  private begin(role: Role): void {
    const process = new SimulatedProcess(role.name, this.time);
    const life: Life = { role, process, program: undefined };
    this.lives.set(role.name, life);
    const leave = () => this.end(life);
    role.start(this.surroundings(process, role.disks)).then((program) => {
      life.program = program;
      program.failed?.then(leave, leave);
    }, leave);
  }

  /** The process is gone; another one begins before long. */
  private end(life: Life, { silently = false } = {}): void {
    const { role, process } = life;
    if (!process.isAlive) return;
    process.kill();
    this.network.cut.delete(process);
    if (!silently) this.network.reset(process);
    this.time.schedule(50 + this.random.next() ** 2 * 5000, () => this.begin(role));
  }

  private nextFault(): void {
    if (this.isCalm) return;
    const { kinds, everyMs } = this.options;
    const kind = kinds[Math.floor(this.random.next() * kinds.length)];
    if (kind !== undefined) this.inflict(kind);
    this.time.schedule(this.random.next() * 2 * everyMs, () => this.nextFault());
  }

  private inflict(kind: FaultKind): void {
    this.faults++;
    const lives = [...this.lives.values()].filter(({ process }) => process.isAlive);
    const life = lives[Math.floor(this.random.next() * lives.length)];
    if (life === undefined) return;
    const { process } = life;
    const forAWhile = (limitMs: number, undo: () => void) => this.time.schedule(this.random.next() * limitMs, undo);
    const disk = this.random.next() < 0.5 ? this.disks.data : this.disks.out;
    switch (kind) {
      case 'kill':
        this.end(life);
        break;
      case 'power':
        for (const each of lives) if (each.role.disks.includes(disk)) this.end(each, { silently: true });
        disk.failPower();
        break;
      case 'pause':
        process.pause();
        forAWhile(this.random.next() < 0.7 ? 5000 : 90_000, () => process.resume());
        break;
      case 'clock':
        process.wallOffsetMs += (this.random.next() - 0.5) * 3_600_000;
        break;
      case 'disk-errors':
      case 'disk-full':
        disk.trouble = { code: kind === 'disk-full' ? 'ENOSPC' : 'EIO', chance: this.random.next() };
        forAWhile(3000, () => (disk.trouble = undefined));
        break;
      case 'network':
        this.network.faults = this.networkFaults();
        forAWhile(20_000, () => (this.network.faults = noFaults));
        break;
      case 'cut':
        this.network.cut.add(process);
        forAWhile(60_000, () => this.network.cut.delete(process));
        break;
      case 'stop':
        // A disk that fails meanwhile leaves less tidied up; the process ends all the same.
        void life.program
          ?.stop()
          .catch(() => undefined)
          .then(() => this.end(life));
        break;
      case 'store':
        this.store.failing = true;
        forAWhile(10_000, () => (this.store.failing = false));
        break;
      case 'refuse':
        this.network.faults = { ...this.network.faults, refuse: this.random.next() ** 2 };
        forAWhile(20_000, () => (this.network.faults = { ...this.network.faults, refuse: 0 }));
        break;
      case 'reload':
        life.program?.reload?.().catch(() => undefined);
        break;
      case 'topic':
        this.fleeting?.makeAgain();
        break;
      default:
        kind satisfies never;
    }
  }

  private networkFaults(): NetworkFaults {
    const draw = (greatest: number) => this.random.next() ** 2 * greatest;
    return {
      ...{ loseRequest: draw(0.1), loseAnswer: draw(0.1), repeat: draw(0.1), late: this.random.next(), refuse: 0 },
      delayMs: draw(200),
    };
  }

  private calmDown(): void {
    this.isCalm = true;
    this.network.faults = noFaults;
    this.network.cut.clear();
    this.store.failing = false;
    this.fleeting?.calmDown();
    for (const disk of Object.values(this.disks)) disk.trouble = undefined;
    for (const { process } of this.lives.values()) if (process.isPaused) process.resume();
  }

  /** Aborted when everything is delivered. */
  private delivery(): AbortSignal {
    const delivered = new AbortController();
    const look = async () => {
      // The foreign writer ends with the lines: while it writes, something of it is always under way.
      this.writer.isOver ||= await this.areLinesDelivered();
      if (this.writer.isOver && this.isDirectDelivered()) delivered.abort();
      else this.time.schedule(500, () => void look());
    };
    void look();
    return delivered.signal;
  }

  private lineCount(): number {
    return this.programs.reduce((sum, { lines }) => sum + lines, 0);
  }

  private async areLinesDelivered(): Promise<boolean> {
    const wanted = this.lineCount();
    const stored = [...this.store.documents.values()].filter((line) => !/^(direct|fleeting) /.test(line)).length;
    if (stored < wanted || this.copied.size < wanted) return false;
    for (const folder of ['rolled', 'appended']) if ((await this.delivered(folder)).length < wanted) return false;
    return this.fleeting === undefined || this.fleeting.isDelivered();
  }

  private isDirectDelivered(): boolean {
    const stored = new Set(this.store.documents.values());
    return [...this.writer.committed].every((number) => stored.has(`direct ${number}`));
  }

  private async counts(): Promise<string> {
    const of = async (folder: string) => (await this.delivered(folder)).length;
    const counts = {
      ...{
        written: this.lineCount(),
        direct: this.writer.committed.size,
        stored: this.store.documents.size,
        copied: this.copied.size,
      },
      ...{ rolled: await of('rolled'), appended: await of('appended') },
    };
    return JSON.stringify(counts);
  }

  /** The lines of the published files of a folder, in the order of their names. */
  private async delivered(folder: string): Promise<(Value & { place: string })[]> {
    const { files } = this.disks.out;
    const found: (Value & { place: string })[] = [];
    if ((await files.stat(`/out/${folder}`)) === undefined) return found;
    for (const name of await files.list(`/out/${folder}`)) {
      if (name.startsWith('.')) continue;
      const text = (await files.readFile(`/out/${folder}/${name}`)).toString();
      for (const line of text.split('\n').slice(0, -1)) found.push({ ...parseValue(line), place: name.split('-')[0]! });
    }
    return found;
  }

  /** Resolves with the number of records in the last life of the topic that comes and goes. */
  private async check(): Promise<number> {
    const { history, store } = this;
    const client = networkClient(this.surroundings(new SimulatedProcess('last reader', this.time), []));
    const kept = new Map<string, (Value & { place: string })[]>();
    const reading = Promise.all(
      Object.keys(topics).map(async (topic) => {
        const values: (Value & { place: string })[] = [];
        kept.set(topic, values);
        await readAll(client, topic, (place, offset, line) => {
          const value = parseValue(line);
          history.read('the last reader', place, offset, value);
          values.push({ ...value, place });
        });
      }),
    );
    await this.within(reading);
    const isDirect = ({ source }: Value) => source === 'direct';
    const isLine = ({ source }: Value) => source !== 'direct' && source !== fleeting.name;
    const stored = [...store.documents.values()].map((line) => ({ ...parseValue(line), place: 'store' }));
    history.holds('topic lines', kept.get('lines')!, { only: isLine });
    history.holds('topic copy', kept.get('copy')!, { only: isLine });
    history.holds('topic direct', kept.get('direct')!, { only: isDirect });
    history.holds('the rolled files', await this.delivered('rolled'), { only: isLine });
    history.holds('the appended file', await this.delivered('appended'), { only: isLine });
    history.holds('the store', stored, { isOrdered: false });
    if (store.changed.length > 0) throw new Error(`the store was given others: ${store.changed.join('; ')}`);
    const lastLifeRecords = this.fleeting === undefined ? 0 : await this.within(this.fleeting.check());
    history.assertSound();
    await this.checkLeftOvers();
    return lastLifeRecords;
  }

  /** Lets time pass until it is done. */
  private async within<T>(work: Promise<T>): Promise<T> {
    let isDone = false;
    work.catch(() => undefined).finally(() => (isDone = true));
    await this.time.run(60_000, () => isDone);
    return work;
  }

  /** Once everything is delivered and idle, no attempt of anybody is left. */
  private async checkLeftOvers(): Promise<void> {
    const { files } = this.disks.out;
    for (const folder of ['rolled', 'appended']) {
      const hidden = (await files.list(`/out/${folder}`)).filter((name) => name.startsWith('.'));
      if (hidden.length > 0) throw new Error(`left over in ${folder}: ${hidden.join(', ')}`);
    }
  }
}
