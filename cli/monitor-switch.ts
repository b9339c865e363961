// The monitor as the configuration has it: begun at the start, and begun, moved or ended by a reload. Its code is loaded only where it is asked for.
import { isDeepStrictEqual } from 'node:util';
import type { Address } from '../base/address.ts';
import type { Logger } from '../base/logger.ts';
import type { Monitor } from './monitor.ts';
import type { Observed } from './observation.ts';

/** A change that is prepared: the new monitor answers already, the old one still does. */
export interface MonitorChange {
  /** One line for people; none when it stays as it is. */
  changes: readonly string[];
  /** Ends the old one. */
  keep(): Promise<void>;
  /** Ends the new one. */
  undo(): Promise<void>;
}

export class MonitorSwitch {
  private readonly observe: () => Observed;
  private readonly logger: Logger;
  private address: Address | undefined;
  private monitor: Monitor | undefined;
  private closed = false;

  constructor(observe: () => Observed, logger: Logger) {
    this.observe = observe;
    this.logger = logger;
  }

  /** Throws TLR_LISTEN when the address cannot be listened on; nothing is changed then. */
  async change(to: Address | undefined): Promise<MonitorChange> {
    const from = this.address;
    if (isDeepStrictEqual(from, to))
      return { changes: [], keep: () => Promise.resolve(), undo: () => Promise.resolve() };
    const next = await this.start(to);
    return {
      changes: [from === undefined ? 'monitor added' : to === undefined ? 'monitor removed' : 'monitor changed'],
      keep: async () => {
        const last = this.monitor;
        this.monitor = next;
        this.address = to;
        await last?.close();
        if (this.closed) await next?.close();
      },
      undo: async () => next?.close(),
    };
  }

  async close(): Promise<void> {
    this.closed = true;
    await this.monitor?.close();
  }

  private async start(address: Address | undefined): Promise<Monitor | undefined> {
    if (address === undefined) return undefined;
    const module = await import('./monitor.ts');
    const started = await module.Monitor.start(address, this.observe, this.logger);
    this.logger.info('metrics and health', { address: started.address });
    return started;
  }
}
