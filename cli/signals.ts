// Signals of the process: SIGINT and SIGTERM end it, SIGHUP reloads its configuration.

/** Resolves with the signal's name at the first SIGINT or SIGTERM; a second one ends the process at once with `exitCode`. */
export function untilSignal(exitCode: number): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.once(signal, () => {
        resolve(signal);
        process.once(signal, () => process.exit(exitCode));
      });
    }
  });
}

/** Ends the process as SIGTERM from outside would. */
export function terminate(): void {
  process.emit('SIGTERM');
}

/** Keeps SIGHUP from ending the process from now on; one that comes before anybody handles it is kept for who does. */
export class Hangups {
  private missed = false;
  private action: (() => void) | undefined;

  constructor() {
    process.on('SIGHUP', () => {
      if (this.action === undefined) this.missed = true;
      else this.action();
    });
  }

  handle(action: () => void): void {
    this.action = action;
    if (this.missed) action();
    this.missed = false;
  }
}
