// The agent contract: lines in. An agent reads from the outside and writes to topics through broker/client alone; what it has
// read counts only when a transaction of the broker says so.
import type { Clock } from '../base/clock.ts';
import type { Files } from '../base/files.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import type { KafkaClient } from '../broker/client/contract.ts';
import type { HandleBudget } from './handle-budget.ts';

export interface AgentContext {
  /** The agent's name in the YAML. */
  name: string;
  /** Identity of this instance (data directory); part of the transactional id. */
  instance: string;
  /** Name of this machine, for records' metadata. */
  host: string;
  client: KafkaClient;
  files: Files;
  clock: Clock;
  random: Random;
  logger: Logger;
  /** "device:inode" of files that must not be read, such as those this process writes its own output to. */
  excludedIdentities?: ReadonlySet<string>;
  /** Shared by the agents of the process; none without it. */
  handles?: HandleBudget;
}

/** The agent's account, all since the agent was first started with this identity unless said otherwise. */
export interface AgentLedger {
  /** Lines committed to topics in this run, by topic. */
  committedLines: Readonly<Record<string, number>>;
  /** Bytes of those lines, newlines included. */
  committedBytes: number;
  /** Lines committed by all runs, by topic, from the positions. */
  totalLines: Readonly<Record<string, number>>;
  /** Bytes that were seen in files and destroyed (deleted, truncated) before they could be read. */
  destroyedBytes: number;
  /** Things people must know: unreadable files, flagged long lines, bytes the rotator destroyed. */
  warnings: readonly string[];
  /** Why lines that are there do not get into their topic at present; undefined when they do. */
  problem: string | undefined;
}

export interface Agent {
  /** Recovers positions and begins to read. Rejects when the configuration cannot work (never for a missing file). */
  start(): Promise<void>;
  /**
   * `--once`: resolves when everything that was there at start (files up to their ends then, last lines without newline included) is
   * committed, or cannot be, as the ledger's `problem` says then. Network agents resolve at once.
   */
  drained(): Promise<void>;
  ledger(): AgentLedger;
  /**
   * Takes other settings of its kind without letting go of what it listens on. Resolves with false when it cannot: then it is to be stopped and another one started.
   * Rejects when they cannot work. Nothing is changed in both cases.
   */
  change?(settings: unknown, topic: string): Promise<boolean>;
  /**
   * Reads again what `settings`, of its kind, name and may be renewed under its name: certificates. Resolves with what puts it to use, which cannot fail and says at
   * which address; with undefined when nothing is new. Rejects with TLR_CONFIG when it cannot work.
   */
  renewal?(settings: unknown): Promise<(() => string) | undefined>;
  /** Rejects when the agent ended for good (fenced, broker failed); never resolves. */
  readonly failed: Promise<never>;
  /** Stops reading, commits what was read within `deadlineMs`, and ends. */
  stop(deadlineMs: number): Promise<void>;
}

/** A kind of agent: its settings (zod) and how to make one. */
export interface AgentDefinition<Settings> {
  readonly type: string;
  readonly summary: string;
  /** Where lines come from, in a few words (the paths, the address): for the overview that `tailrace up` prints. */
  describe(settings: Settings): string;
  /** Where it begins under a name that nothing was read under, in words that follow "begins at". */
  describeBeginning?(settings: Settings): string;
  /** What becomes of each line with these settings, in words, for `tailrace check`. */
  describeGuarantee(settings: Settings): string;
  readonly settings: { parse(input: unknown): Settings };
  /** The settings that a URL such as `tail:///var/log/x*.log` stands for; undefined when the URL is not of this kind. */
  fromUrl(url: string): Record<string, unknown> | undefined;
  /** Topics it may write to beside its own. */
  topics?(settings: Settings): readonly string[];
  /** Where it listens with TLS: the certificate and its key as PEM texts, or the files that hold them. */
  listener?(settings: Settings): { address: string; cert: string; key: string } | undefined;
  /** `topic` is where it writes: its `to`, or its own name. */
  create(settings: Settings, topic: string, context: AgentContext, options: { once: boolean }): Agent;
}
