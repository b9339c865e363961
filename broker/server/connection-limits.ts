// How many connections there may be, in all and from one address (max.connections, max.connections.per.ip): counted over all listeners, before
// anything is kept for a connection.
import type { BrokerParts } from '../handlers/handler.ts';

export class ConnectionLimits {
  private readonly mostInAll: number;
  private readonly mostPerAddress: number;
  private readonly byAddress = new Map<string, number>();
  private total = 0;

  constructor(settings: BrokerParts['settings']) {
    this.mostInAll = settings.number('max.connections');
    this.mostPerAddress = settings.number('max.connections.per.ip');
  }

  /** Counts one more from `address`, or says which setting it would break. */
  enter(address: string): string | undefined {
    const before = this.byAddress.get(address) ?? 0;
    if (this.total >= this.mostInAll) return 'max.connections';
    if (before >= this.mostPerAddress) return 'max.connections.per.ip';
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
