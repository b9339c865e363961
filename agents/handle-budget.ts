// How many files the agents of a process keep open together, beyond the few hundred that each of them may have in any case. A file that is deleted while it
// is open can be read to its end; one that is not open then is lost. So as many stay open as the process's own limit allows.
import type { Files } from '../base/files.ts';

/** What is left is for the broker, its clients and the sinks. */
const share = 0.75;
const most = 65_536;

export class HandleBudget {
  private free: number;

  constructor(handles: number) {
    this.free = handles;
  }

  /** Whether there is room for `count` more. */
  has(count: number): boolean {
    return this.free >= count;
  }

  /** Whether there is room for one more; it is the caller's until giveBack(). */
  take(): boolean {
    if (this.free <= 0) return false;
    this.free--;
    return true;
  }

  giveBack(): void {
    this.free++;
  }
}

/** Of what this process may open: read from /proc; none where there is no such thing. */
export async function handleBudget(files: Pick<Files, 'readFile'>): Promise<HandleBudget> {
  const limits = await files.readFile('/proc/self/limits').then(String, () => '');
  const open = Number(/^Max open files +(\d+)/m.exec(limits)?.[1] ?? 0);
  return new HandleBudget(Math.min(most, Math.floor(open * share)));
}
