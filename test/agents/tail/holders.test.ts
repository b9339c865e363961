// Until when everything that was made of a log is accounted for: what an agent that is killed must find again begins there.
import { describe, expect, it } from 'vitest';
import { departureFrom, Holders } from '../../../agents/tail/holders.ts';

describe('a log that an earlier run followed', () => {
  const path = '/logs/app.log';

  it('is accounted for as that run left it until everything around it is decided', () => {
    const holders = new Holders();
    holders.recover(path, 1000, 5000);
    expect(holders.accountedMs(path)).toBe(5000);
    holders.account(9000, [departureFrom(path, 5000)]);
    expect(holders.accountedMs(path)).toBe(5000);
    expect(holders.accountedMs('/logs/other.log')).toBe(9000);
    holders.account(9500, []);
    expect(holders.accountedMs(path)).toBe(9500);
  });

  it('is as it was before a later rotation while that one is not decided', () => {
    const holders = new Holders();
    holders.account(9000, []);
    holders.account(9500, [departureFrom(path, 9000)]);
    holders.account(9900, [departureFrom(path, 9500)]);
    expect(holders.accountedMs(path)).toBe(9000);
  });
});
