// What is put to the test: something that reads the logs of many cells and can be started, stopped and killed. Here ours (ours.ts) and rsyslog
// (rsyslog.ts), which is there to show that the harness sees losses.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import type { Arrived } from './lines.ts';

/** One pattern over the logs of one cell. */
export interface Watch {
  /** Letters and digits: topic, ruleset, file name. */
  name: string;
  cell: number;
  pattern: string;
}

export interface Subject {
  readonly name: string;
  start(): Promise<void>;
  /** Asks it to end, and waits until it has. */
  stop(): Promise<void>;
  /** kill -9. */
  kill(): Promise<void>;
  /** What is known to have arrived so far, by watch. Only while it runs. */
  arrived(): Promise<ReadonlyMap<string, Arrived>>;
  /** Lets it look once more, ends it, and tells what has arrived in all. */
  finish(): Promise<ReadonlyMap<string, Arrived>>;
  /** Process id while it runs. */
  readonly pid: number | undefined;
}

/** What a process holds at the moment. */
export interface Footprint {
  residentBytes: number;
  cpuSeconds: number;
  /** Open files below the test's folder, and how many of those no name leads to any more. */
  openLogs: number;
  deletedLogs: number;
  /** Folders and files that the kernel watches for it. */
  watches: number;
}

const ticksPerSecond = 100;

/** Undefined when the process is not there (any more). */
export function footprint(pid: number | undefined, folder: string): Footprint | undefined {
  if (pid === undefined) return undefined;
  try {
    const resident = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? '0';
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const found: Footprint = {
      residentBytes: Number(resident) * 1024,
      cpuSeconds: (Number(fields[11]) + Number(fields[12])) / ticksPerSecond,
      ...{ openLogs: 0, deletedLogs: 0, watches: 0 },
    };
    for (const descriptor of readdirSync(`/proc/${pid}/fd`)) {
      const target = linkOf(`/proc/${pid}/fd/${descriptor}`);
      if (target === 'anon_inode:inotify')
        found.watches += readFileSync(`/proc/${pid}/fdinfo/${descriptor}`, 'utf8').split('inotify wd').length - 1;
      if (!target.startsWith(folder)) continue;
      found.openLogs++;
      if (target.endsWith(' (deleted)')) found.deletedLogs++;
    }
    return found;
  } catch {
    return undefined;
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}
