// How many connections there may be, in all and from one address (max.connections, max.connections.per.ip): counted over all listeners, before
// anything is kept for a connection. Connections that were there when a request lowered a limit stay.
import type { BrokerParts } from '../handlers/handler.ts';

export class ConnectionLimits {
  private readonly settings: BrokerParts['settings'];
  private readonly byAddress = new Map<string, number>();
  private total = 0;

  constructor(settings: BrokerParts['settings']) {
    this.settings = settings;
  }

  /** Counts one more from `address`, or says which setting it would break. */
  enter(address: string): string | undefined {
    const before = this.byAddress.get(address) ?? 0;
    if (this.total >= this.settings.number('max.connections')) return 'max.connections';
    if (before >= this.settings.number('max.connections.per.ip')) return 'max.connections.per.ip';
    this.total++;
    this.byAddress.set(address, before + 1);
    return undefined;
  }

  /** One from `address` has gone. */
  leave(address: string): void {
    const before = this.byAddress.get(address) ?? 0;
    this.total--;
    if (before > 1) this.byAddress.set(address, before - 1);
    else this.byAddress.delete(address);
  }
}
