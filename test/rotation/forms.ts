// Every way of rotating: what a rotator does to logs that are being written, step by step, with the programs that rotators use.
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
} from 'node:fs';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { LogFile } from './log-file.ts';

const start = promisify(execFile);

export interface Rotation {
  logs: readonly LogFile[];
  round: number;
  /** Whether somebody reads all the time: then nothing that was there for a while may be missing. */
  isWatched: boolean;
  pause: (milliseconds: number) => Promise<void>;
  /** What a rotator waits for before it deletes what it put aside. */
  grace: () => Promise<void>;
  /** Resolves when something of the present generation of each log has arrived. */
  seen: () => Promise<void>;
}

export interface Form {
  name: string;
  what: string;
  hasHeader?: true;
  isTiny?: true;
  isCri?: true;
  /**
   * Where the rotator puts a file cannot be told from the log's name. So of a generation that came and went while nobody read no program can know:
   * the next rotation waits until something of the present one has arrived.
   */
  isSecretive?: true;
  /** Before the first line: how the path comes to be; opens the log. */
  begin?: (log: LogFile) => void;
  rotate: (rotation: Rotation) => Promise<void>;
}

/** Inodes that were given again to a new log, since the process began; the form that is about it tells whether it came to pass. */
export const reusedInodes = { count: 0 };

/** `x.2` becomes `x.3`, `x.1` becomes `x.2`, with what they have behind the number. */
function shift(log: LogFile): void {
  const prefix = `${log.name}.`;
  const numbered = readdirSync(log.folder)
    .filter((name) => name.startsWith(prefix))
    .map((name) => ({ name, number: Number.parseInt(name.slice(prefix.length), 10) }))
    .filter(({ number }) => number > 0)
    .sort((left, right) => right.number - left.number);
  for (const { name, number } of numbered) {
    const rest = name.slice(prefix.length + String(number).length);
    renameSync(join(log.folder, name), log.path(`.${number + 1}${rest}`));
  }
}

/** Moves the log aside; the program writes a little more into the old file before it opens the new one. */
function moveAside(log: LogFile, to: string): void {
  renameSync(log.path(), to);
  log.lines(2);
}

function copyAside(log: LogFile, to: string): void {
  copyFileSync(log.path(), to);
}

function truncate(log: LogFile): void {
  truncateSync(log.path());
  log.begin();
}

/** One call of the program for many files, in portions that fit on a command line. */
async function compress(program: readonly string[], paths: readonly string[]): Promise<void> {
  const [name, ...flags] = program;
  for (let from = 0; from < paths.length; from += 500) await start(name!, [...flags, ...paths.slice(from, from + 500)]);
}

const gzip = ['gzip'];
const zstd = ['zstd', '-q', '--rm'];

function renamed(toName: (log: LogFile, round: number) => string): Form['rotate'] {
  return ({ logs, round }) => {
    for (const log of logs) {
      moveAside(log, join(log.folder, toName(log, round)));
      log.reopen();
    }
    return Promise.resolve();
  };
}

function renameAndReopen(logs: Parameters<Form['rotate']>[0]['logs']): void {
  for (const log of logs) {
    shift(log);
    moveAside(log, log.path('.1'));
    log.reopen();
  }
}

function compressedAtOnce(program: readonly string[]): Form['rotate'] {
  return async ({ logs }) => {
    renameAndReopen(logs);
    await compress(
      program,
      logs.map((log) => log.path('.1')),
    );
  };
}

function compressedLater(program: readonly string[]): Form['rotate'] {
  return async ({ logs }) => {
    renameAndReopen(logs);
    await compress(
      program,
      logs.map((log) => log.path('.2')).filter((path) => existsSync(path)),
    );
  };
}

const copied: Form['rotate'] = ({ logs }) => {
  for (const log of logs) {
    shift(log);
    copyAside(log, log.path('.1'));
    truncate(log);
  }
  return Promise.resolve();
};

export const forms: readonly Form[] = [
  {
    name: 'rename',
    what: 'app.log → app.log.1 → app.log.2 …; the program writes on into the old file for a moment',
    rotate: ({ logs }) => {
      renameAndReopen(logs);
      return Promise.resolve();
    },
  },
  {
    name: 'copytruncate, quiet',
    what: 'copied to app.log.1, then cut to nothing; nobody writes between',
    rotate: copied,
  },
  {
    name: 'copytruncate, busy',
    what: 'lines are written between copying and cutting: those are destroyed unless they were read in that moment',
    rotate: ({ logs }) => {
      for (const log of logs) {
        shift(log);
        copyAside(log, log.path('.1'));
        const from = log.written.count;
        log.lines(3);
        log.breakFrom(from);
        truncate(log);
      }
      return Promise.resolve();
    },
  },
  {
    name: 'copytruncate + gzip',
    what: 'copied, cut, the copy compressed at once',
    rotate: async (rotation) => {
      await copied(rotation);
      await compress(
        gzip,
        rotation.logs.map((log) => log.path('.1')),
      );
    },
  },
  { name: 'gzip at once', what: 'renamed, then gzip replaces it by app.log.1.gz', rotate: compressedAtOnce(gzip) },
  { name: 'gzip delayed', what: 'renamed; compressed at the next rotation', rotate: compressedLater(gzip) },
  { name: 'zstd at once', what: 'renamed, then zstd replaces it by app.log.1.zst', rotate: compressedAtOnce(zstd) },
  { name: 'zstd delayed', what: 'renamed; compressed at the next rotation', rotate: compressedLater(zstd) },
  {
    name: 'delete soon after',
    what: 'renamed, and deleted a second later; while the reader is away or killed, what was not read is destroyed',
    rotate: async ({ logs, isWatched, grace, seen }) => {
      if (isWatched) await seen();
      for (const log of logs) {
        moveAside(log, log.path('.1'));
        if (!isWatched) log.breakFrom(log.generationStart);
        log.reopen();
      }
      await grace();
      for (const log of logs) rmSync(log.path('.1'));
    },
  },
  {
    name: 'symlink swap',
    what: 'app.log is a link into runs/N/; a new run gets a folder of its own and the link is swapped',
    isSecretive: true,
    begin: (log) => {
      const target = join('runs', `${log.index}`, '0', 'output.txt');
      mkdirSync(join(log.folder, 'runs', `${log.index}`, '0'), { recursive: true });
      appendFileSync(join(log.folder, target), '');
      symlinkSync(target, log.path());
      log.reopen();
    },
    rotate: ({ logs, round }) => {
      for (const log of logs) {
        const target = join('runs', `${log.index}`, `${round}`, 'output.txt');
        mkdirSync(join(log.folder, 'runs', `${log.index}`, `${round}`), { recursive: true });
        appendFileSync(join(log.folder, target), '');
        symlinkSync(target, log.path('.next'));
        renameSync(log.path('.next'), log.path());
        log.lines(2);
        log.reopen();
      }
      return Promise.resolve();
    },
  },
  {
    name: 'dated',
    what: 'renamed to app.log-20261122, app.log-20261123 …',
    rotate: renamed((log, round) => `${log.name}-202611${21 + round}`),
  },
  {
    name: 'dated, before the ending',
    what: 'renamed to app-2026-11-22.log, which no pattern need match',
    rotate: renamed((log, round) => log.name.replace(/\.log$/, `-2026-11-${21 + round}.log`)),
  },
  {
    name: 'moved into a folder',
    what: 'renamed to old/app.log.N',
    begin: (log) => {
      mkdirSync(join(log.folder, 'old'), { recursive: true });
      log.reopen();
    },
    rotate: renamed((log, round) => `old/${log.name}.${round}`),
  },
  {
    name: 'moved beside',
    what: 'renamed to ../archive/app.log.N',
    isSecretive: true,
    begin: (log) => {
      mkdirSync(join(log.folder, '..', 'archive'), { recursive: true });
      log.reopen();
    },
    rotate: renamed((log, round) => `../archive/${log.index}-${log.name}.${round}`),
  },
  {
    name: 'half line, completed later',
    what: 'renamed while a line is half written; the other half follows 300 ms later in the old file',
    rotate: async ({ logs, pause }) => {
      for (const log of logs) {
        shift(log);
        log.unfinished();
        renameSync(log.path(), log.path('.1'));
      }
      await pause(300);
      for (const log of logs) {
        log.endLine();
        log.reopen();
      }
    },
  },
  {
    name: 'half line, split',
    what: 'the old file ends without a newline, the new one begins with the rest: two records, no byte missing',
    rotate: ({ logs }) => {
      for (const log of logs) {
        shift(log);
        log.unfinished();
        renameSync(log.path(), log.path('.1'));
        log.reopen();
        log.unfinished();
        log.endLine();
      }
      return Promise.resolve();
    },
  },
  {
    name: 'CRI',
    what: 'partial and full lines as container runtimes write them; renamed with a time, the one before compressed',
    isCri: true,
    rotate: async ({ logs, round }) => {
      for (const log of logs) {
        log.lines(1);
        renameSync(log.path(), log.path(`.20261122-12${String(round).padStart(4, '0')}`));
        log.reopen();
      }
      const before = logs.map((log) => log.path(`.20261122-12${String(round - 1).padStart(4, '0')}`));
      await compress(
        gzip,
        before.filter((path) => existsSync(path)),
      );
    },
  },
  {
    name: 'same head',
    what: 'every generation of every log begins with the same 4 KiB; renamed, every other one compressed',
    hasHeader: true,
    rotate: async ({ logs, round }) => {
      renameAndReopen(logs);
      if (round % 2 === 0)
        await compress(
          gzip,
          logs.map((log) => log.path('.1')),
        );
    },
  },
  {
    name: 'tiny',
    what: 'files below 64 bytes, renamed',
    isTiny: true,
    rotate: ({ logs }) => {
      for (const log of logs) {
        shift(log);
        renameSync(log.path(), log.path('.1'));
        log.reopen();
      }
      return Promise.resolve();
    },
  },
  {
    name: 'inode used again',
    what: 'renamed and compressed before the new file is made, which then gets the inode of the old one',
    rotate: async ({ logs }) => {
      const inodes = new Set<number>();
      for (const log of logs) {
        shift(log);
        inodes.add(statSync(log.path()).ino);
        moveAside(log, log.path('.1'));
        log.close();
      }
      await compress(
        gzip,
        logs.map((log) => log.path('.1')),
      );
      for (const log of logs) {
        log.reopen();
        if (inodes.has(statSync(log.path()).ino)) reusedInodes.count++;
      }
    },
  },
];
