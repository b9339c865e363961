// What to say when an address cannot be listened on: the same words for the broker, agents and the monitor.
import { messageOf, TailraceError } from './errors.ts';

const reasons: Partial<Record<string, string>> = {
  EADDRINUSE: 'another process listens there',
  EADDRNOTAVAIL: 'this machine has no such address',
  EACCES: 'this user may not (ports below 1024 need root or CAP_NET_BIND_SERVICE)',
  ENOTFOUND: 'the name is not known',
};

/** `who` begins the sentence: "agent push". */
export function cannotListen(who: string, address: string, error: unknown): TailraceError {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const reason = reasons[code] ?? messageOf(error);
  return new TailraceError('TLR_LISTEN', `${who} cannot listen on ${address}: ${reason}`, { cause: error });
}
