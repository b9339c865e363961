// One life of a tail agent: fence earlier lives, read back what they committed, then sweep, read and commit until something fails or it is
// to stop. Crash-only: a session that failed is thrown away with everything it knew, and the next one begins from the topic.
import { TailraceError } from '../../base/errors.ts';
import { compilePattern } from '../../base/regex.ts';
import type { TopicMetadata } from '../../broker/client/contract.ts';
import { partitionForKey } from '../../broker/wire/murmur2.ts';
import type { AgentContext } from '../agent.ts';
import { recordOverheadBytes, Shipper } from '../shipper.ts';
import type { Account } from './account.ts';
import { Discovery } from './discovery.ts';
import { keyOfField } from './line-key.ts';
import type { MultilineRule } from './multiline.ts';
import type { PositionRecord } from '../../broker/client/positions-record.ts';
import { Pace, pauseAfterGlance } from './pace.ts';
import { Positions } from './positions.ts';
import { type KeptHandles, Reader } from './reader.ts';
import { Roster } from './roster.ts';
import type { TailSettings } from './settings.ts';
import type { Starts } from './start-position.ts';
import type { TailedFile } from './tailed-file.ts';
import { Wake } from './wake.ts';
import { FolderWatch } from './watch.ts';

const largestBatchBytes = 4 * 1024 * 1024;
/** Below the broker's limit, so that a batch of 1 MiB fits into a buffer of that size. */
const batchMarginBytes = 1024;
const kafkaDefaultMessageBytes = 1_048_588;
/** Files opened beside each other before they are read, and packed ones that are read at the same time: each of these holds what it has unpacked. */
const openedAtOnce = 16;
const packedAtOnce = 4;

/** How often partitions that are offline are asked for, and mentioned. */
const offlineLookMs = 10_000;
/** `--once`: how long a cluster may take to give each partition a leader; in this process one that is offline stays so. */
const offlinePatienceMs = 30_000;

const codecs = ['gzip', 'snappy', 'lz4', 'zstd'] as const;

export interface SessionOptions {
  settings: TailSettings;
  topic: string;
  context: AgentContext;
  account: Account;
  /** `--once`: where to stop, by file identity; undefined when the agent goes on for ever. */
  targets: Map<string, number> | undefined;
  /** `from: end`: where the ends were at the very first look. */
  starts: Starts;
  /** Handles of the session before that failed, and then of this one. */
  kept: KeptHandles;
  /** Called when `--once` has everything committed. */
  onDrained: () => void;
  /** Called when the session has everything together and begins to read. */
  onReading: () => void;
  /** Called when all that could be read is committed, and after commits while nothing is held back. */
  onWell: () => void;
  /** Called now and then while lines wait for a partition that is offline; those for the others go on. */
  onHeld: (error: Error) => void;
}

export class Session {
  private readonly options: SessionOptions;
  private readonly wake: Wake;
  private readonly watch: FolderWatch;
  private readonly stopping = new AbortController();
  private failure: Error | undefined;
  private readonly pace: Pace;
  private dirtySinceMs: number | undefined;
  private turn = 0;
  /** Partitions of the topic that are offline. */
  private offline: ReadonlySet<number> = new Set();
  private offlineSinceMs = 0;
  private toldMs = -Infinity;
  /** While a sweep takes long, files are looked at and read again from then on. */
  private breathDueMs = 0;
  private isBreathing = false;

  constructor(options: SessionOptions) {
    this.options = options;
    this.wake = new Wake(options.context.clock);
    this.pace = new Pace(options.context.clock, options.settings.rescan);
    this.watch = new FolderWatch(() => this.wantSweep());
  }

  /** Stops reading, commits what was read, and lets run() return. */
  stop(): void {
    this.stopping.abort();
    this.wake.ring();
  }

  /** Rejects when anything at all goes wrong but the files themselves; resolves after stop(). */
  async run(): Promise<void> {
    const { context, topic, account, settings } = this.options;
    const limits = await this.topicLimits();
    const transactionalId = `tailrace-agent-${context.instance}-${context.name}`;
    const shipper = new Shipper(context.client, { transactionalId, topic, ...limits });
    let roster: Roster | undefined;
    try {
      await shipper.init();
      const owner = { instance: context.instance, agent: context.name };
      const positions = await Positions.read(context.client, owner, context.clock, this.stopping.signal);
      account.recovered(positions.totalLines());
      const framing = {
        maxLineBytes: settings.max_line,
        longLine: settings.long_line,
        pieceBytes: Math.max(limits.batchBytes - recordOverheadBytes, 1024),
      };
      const { partitions } = limits;
      const keyed = settings.key === undefined ? undefined : { keyOf: keyOfField(settings.key), partitions };
      const multiline = multilineRule(settings);
      const reader = new Reader(context.files, context.clock, shipper, framing, multiline, keyed, context.handles);
      const breathe = () => this.breathe(roster!, reader, shipper, positions);
      roster = this.createRoster(reader, positions, limits.partitions, breathe);
      const unrecorded = await reader.takeBack(this.options.kept, roster.live, (key) => positions.files.has(key));
      for (const file of unrecorded) {
        if (this.isStartingAtEnd(positions)) await this.options.starts.beginOne(file);
        roster.takeUp(file);
        if (file.position > 0) roster.dirty.add(file);
      }
      // The roster knows them now, and where thousands of logs are rotated there are many.
      positions.files.clear();
      this.options.onReading();
      try {
        await this.loop(roster, reader, shipper, positions);
      } catch (error) {
        if (!this.stopping.signal.aborted) reader.surrender(this.options.kept);
        throw error;
      }
    } finally {
      await this.watch.close();
      await roster?.close();
      await shipper.close().catch(() => undefined);
    }
  }

  private isStartingAtEnd({ isFirstStart }: Positions): boolean {
    return isFirstStart && this.options.settings.from === 'end';
  }

  /** How large batches may be, which codec the topic asks for, and how many partitions it has. Makes the topic when it is missing. */
  private async topicLimits() {
    const { context, topic } = this.options;
    const admin = context.client.admin();
    let [found] = await admin.topics([topic]);
    if (found === undefined) {
      await admin.createTopic({ name: topic }, { ifMissing: true });
      [found] = await admin.topics([topic]);
    }
    const configs = await admin.describeConfigs(topic);
    const messageBytes = Number(configs['max.message.bytes']?.value ?? kafkaDefaultMessageBytes);
    this.setOffline(found);
    return {
      partitions: Math.max(found?.partitions.length ?? 1, 1),
      batchBytes: Math.min(messageBytes, largestBatchBytes) - batchMarginBytes,
      compression: codecs.find((codec) => codec === configs['compression.type']?.value) ?? ('none' as const),
    };
  }

  private setOffline(found: TopicMetadata | undefined): void {
    const offline = new Set(
      (found?.partitions ?? []).flatMap(({ partition, leader }) => (leader < 0 ? partition : [])),
    );
    if (this.offline.size === 0) this.offlineSinceMs = this.options.context.clock.monotonicMs();
    this.offline = offline;
  }

  /** Where the lines of `file` would go, or some of them. */
  private isOffline(file: TailedFile): boolean {
    return this.options.settings.key === undefined ? this.offline.has(file.origin.partition) : this.offline.size > 0;
  }

  private isHeld(file: TailedFile): boolean {
    if (!this.isOffline(file)) return false;
    return file.isReadable && (file.packing !== undefined || file.position < file.sizeBytes);
  }

  /** Says how it goes, and looks whether what was offline is back. */
  private async report(roster: Roster): Promise<void> {
    const { context, topic } = this.options;
    const held = this.offline.size === 0 ? [] : [...roster.live.values()].filter((file) => this.isHeld(file));
    if (held.length === 0) this.options.onWell();
    const nowMs = context.clock.monotonicMs();
    if (this.offline.size === 0 || nowMs - this.toldMs < offlineLookMs) return;
    this.toldMs = nowMs;
    if (held.length > 0) {
      const isTheirs = (partition: number) => held.some(({ origin }) => origin.partition === partition);
      const offline = [...this.offline].filter((each) => this.options.settings.key !== undefined || isTheirs(each));
      const partitions = offline.join(', ');
      const message = `topic ${topic}, partition ${partitions}: offline; what is new in ${held.length} of the files waits`;
      this.options.onHeld(new TailraceError('TLR_KAFKA', message, { retriable: true }));
    }
    this.setOffline((await context.client.admin().topics([topic]))[0]);
  }

  private createRoster(reader: Reader, positions: Positions, partitions: number, breathe: () => Promise<void>): Roster {
    const { context, settings, topic, account, targets } = this.options;
    const { files, clock, random, instance } = context;
    const warn = (key: string, message: string) => account.warn(key, message);
    const now = () => clock.now();
    const partitionOf = (firstPath: string) => partitionForKey(Buffer.from(`${instance}\0${firstPath}`), partitions);
    const discovery = new Discovery({ files, patterns: settings.paths, exclude: settings.exclude, now }, warn);
    const starts = this.isStartingAtEnd(positions) ? this.options.starts : undefined;
    const roster = new Roster({
      ...{ files, clock, random, discovery, reader, partitionOf, starts, targets, account, breathe },
      excluded: context.excludedIdentities ?? new Set(),
      settleMs: settings.multiline?.timeout,
    });
    // What ended in another topic is another story.
    const isOurs = (record: PositionRecord) => record.topic === topic && record.partition < partitions;
    const records = [...positions.files.values()].filter((record) => record.state === 'live' || isOurs(record));
    roster.recover(records);
    for (const file of roster.live.values()) {
      const record = positions.files.get(file.key)!;
      if (record.topic === topic && record.partition < partitions) continue;
      if (record.topic !== topic) {
        positions.addForgotten(record.topic, record.lines);
        file.lines = 0;
      }
      file.origin.partition = partitionOf(file.origin.firstPath);
      roster.dirty.add(file);
    }
    return roster;
  }

  private async loop(roster: Roster, reader: Reader, shipper: Shipper, positions: Positions): Promise<void> {
    const { clock } = this.options.context;
    const launch = (isRoundOver: boolean) => this.launchIfDue(roster, shipper, positions, isRoundOver);
    while (!this.stopping.signal.aborted) {
      this.throwFailure();
      if (clock.monotonicMs() >= this.pace.dueMs) {
        // A sweep may take long, and a transaction that is open too long is aborted.
        if (shipper.isOpen) {
          await shipper.landed();
          this.throwFailure();
          this.launch(roster, shipper, positions);
        }
        await this.sweep(roster);
        await reader.reopen(roster.live.values());
      }
      const progressed = await this.readRound(roster, reader, shipper, () => launch(false));
      launch(true);
      if (progressed) continue;
      if (!shipper.isFlying && shipper.pendingBytes === 0) await this.report(roster);
      if (this.isDrained(roster, shipper)) this.options.onDrained();
      await this.rest(shipper);
    }
    while (shipper.isFlying || shipper.pendingBytes > 0 || roster.dirty.size > 0) {
      this.throwFailure();
      if (!shipper.isFlying) this.launch(roster, shipper, positions);
      await this.wake.wait(1_000);
    }
    this.throwFailure();
  }

  private throwFailure(): void {
    if (this.failure !== undefined) throw this.failure;
  }

  private wantSweep(): void {
    this.pace.ask();
    this.wake.ring();
  }

  private async sweep(roster: Roster): Promise<void> {
    this.pace.begin();
    await roster.sweep();
    if (roster.isUndecided) this.wantSweep();
    const isOnce = this.options.targets !== undefined;
    this.pace.end(roster.lookMs, isOnce || roster.isWaiting);
    if (!isOnce) await this.watch.follow(roster.folders);
  }

  /** A sweep takes long over one file: the others go on. */
  private async breathe(roster: Roster, reader: Reader, shipper: Shipper, positions: Positions): Promise<void> {
    const { clock } = this.options.context;
    // Several may ask at once, and one reads at a time.
    const startMs = clock.monotonicMs();
    if (this.isBreathing || startMs < this.breathDueMs) return;
    this.isBreathing = true;
    let pauseMs = 0;
    try {
      await reader.glance();
      pauseMs = pauseAfterGlance(clock.monotonicMs() - startMs);
      const launch = () => this.launchIfDue(roster, shipper, positions, false);
      await this.readRound(roster, reader, shipper, launch);
      launch();
    } finally {
      this.isBreathing = false;
      this.breathDueMs = clock.monotonicMs() + pauseMs;
    }
  }

  /** One chunk of each file that has something, beginning with another one each time. Returns whether anything was read. */
  private async readRound(roster: Roster, reader: Reader, shipper: Shipper, launch: () => void): Promise<boolean> {
    const fullBytes = this.options.settings.flush.size * 2;
    const readable = [...roster.live.values()].filter((file) => file.isReadable && !this.isOffline(file));
    let unpacking = readable.filter((file) => file.packing !== undefined && file.handle !== undefined).length;
    const first = readable.length === 0 ? 0 : this.turn++ % readable.length;
    for (let index = 0; index < readable.length; index++) {
      if (shipper.pendingBytes >= fullBytes || this.stopping.signal.aborted) return index > 0;
      if (index % openedAtOnce === 0) await this.openSome(readable, first + index, reader);
      const file = readable[(first + index) % readable.length]!;
      if (!file.isReadable) continue;
      const isPacked = file.packing !== undefined;
      if (isPacked && file.handle === undefined && ++unpacking > packedAtOnce) {
        unpacking--;
        continue;
      }
      await this.readFile(file, roster, reader, readable.length === 1);
      if (isPacked && file.handle === undefined) unpacking--;
      launch();
      this.throwFailure();
    }
    return readable.length > 0;
  }

  private async openSome(readable: readonly TailedFile[], first: number, reader: Reader): Promise<void> {
    const some = Array.from({ length: Math.min(openedAtOnce, readable.length) }, (_none, index) => {
      return readable[(first + index) % readable.length]!;
    });
    // Whoever reads them tells what was wrong.
    await Promise.allSettled(some.flatMap((file) => (file.packing === undefined ? reader.open(file) : [])));
  }

  private async readFile(file: TailedFile, roster: Roster, reader: Reader, isAlone: boolean): Promise<void> {
    const { position, isWhole } = file;
    const outcome = await reader.read(file, isAlone);
    if (file.position !== position || file.isWhole !== isWhole) roster.dirty.add(file);
    if (outcome === 'replaced') {
      file.replaced = true;
      this.wantSweep();
    } else if (outcome === 'packed') {
      roster.pass(file);
      this.wantSweep();
    } else if (outcome === 'failed') this.options.account.cannotRead(file.path, file.trouble);
    if (reader.longLines > 0) {
      const what = this.options.settings.long_line;
      this.options.account.longLines(reader.longLines, file.path, what);
      reader.longLines = 0;
    }
    if (reader.passedZeros) this.options.account.passedZeros(file.path);
    reader.passedZeros = false;
  }

  private launchIfDue(roster: Roster, shipper: Shipper, positions: Positions, isRoundOver: boolean): void {
    const { clock } = this.options.context;
    if (shipper.pendingBytes === 0 && roster.dirty.size === 0 && !positions.isDirty) return;
    this.dirtySinceMs ??= clock.monotonicMs();
    if (shipper.isFlying) return;
    const { size, wait } = this.options.settings.flush;
    const isOld = clock.monotonicMs() - this.dirtySinceMs >= wait;
    const isEnough = shipper.pendingBytes >= size || positions.isDirty;
    // With nothing left to wait for, `--once` does not wait.
    const isLast = () => isRoundOver && this.options.targets !== undefined && this.isDone(roster);
    if (isOld || isEnough || isLast()) this.launch(roster, shipper, positions);
  }

  private launch(roster: Roster, shipper: Shipper, positions: Positions): void {
    const { context, topic, account } = this.options;
    const nowMs = context.clock.now();
    const names = { instance: context.instance, agent: context.name, host: context.host, topic };
    const flown = [...roster.dirty];
    const records = flown.map((file) => {
      file.addMilestone();
      return file.record(names, { atMs: nowMs, accountedMs: roster.accountedMs(file) });
    });
    roster.dirty.clear();
    this.dirtySinceMs = undefined;
    shipper
      .launch(positions.outgoing(records, nowMs))
      .then((flight) => {
        for (const [index, file] of flown.entries()) file.committedPosition = records[index]!.position;
        account.committed(topic, flight);
        if (this.offline.size === 0) this.options.onWell();
      })
      .catch((error: unknown) => (this.failure = error instanceof Error ? error : new Error(String(error))))
      .finally(() => this.wake.ring());
  }

  private isDrained(roster: Roster, shipper: Shipper): boolean {
    const { targets, context } = this.options;
    if (targets === undefined || this.pace.isFirst) return false;
    const waitedMs = context.clock.monotonicMs() - this.offlineSinceMs;
    if (this.offline.size > 0 && !context.client.inProcess && waitedMs < offlinePatienceMs) return false;
    return this.isDone(roster) && !shipper.isFlying && shipper.pendingBytes === 0 && roster.dirty.size === 0;
  }

  /** `--once`: there is nothing more to read but what waits for a partition that is offline. */
  private isDone(roster: Roster): boolean {
    return roster.isDone((file) => this.isHeld(file));
  }

  /** Until something happens, the next sweep is due, or what was read is old enough to go. */
  private async rest(shipper: Shipper): Promise<void> {
    const { clock } = this.options.context;
    const nowMs = clock.monotonicMs();
    let dueMs = this.pace.dueMs;
    if (this.dirtySinceMs !== undefined && !shipper.isFlying) {
      dueMs = Math.min(dueMs, this.dirtySinceMs + this.options.settings.flush.wait);
    }
    await this.wake.wait(Math.max(dueMs - nowMs, 1));
  }
}

function multilineRule({ multiline }: TailSettings): MultilineRule | undefined {
  if (multiline === undefined) return undefined;
  const { starts_with: first, continues_with: further, max_lines: maxLines, max_bytes: maxBytes } = multiline;
  if (first !== undefined) return { pattern: compilePattern(first), finds: 'first', maxLines, maxBytes };
  if (further === undefined) return undefined;
  return { pattern: compilePattern(further), finds: 'further', maxLines, maxBytes };
}
