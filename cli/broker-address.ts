// `--broker HOST:PORT[,HOST:PORT…]` as text and as addresses.
import { TailraceError } from '../base/errors.ts';

/** Where the embedded broker listens unless told otherwise. An IPv4 literal: some clients resolve localhost to ::1 first. */
export const defaultBroker = '127.0.0.1:9092';

/** "k1:9092,k2" → addresses; 9092 when no port is given. Throws TLR_USAGE. */
export function parseBootstrap(text: string): { host: string; port: number }[] {
  return text.split(',').map((part) => {
    const match = /^(?:kafka:\/\/)?(\[[^\]]+\]|[^:/\s]+)(?::(\d{1,5}))?$/.exec(part.trim());
    const port = Number(match?.[2] ?? 9092);
    if (match === null || port > 65535) {
      throw new TailraceError(
        'TLR_USAGE',
        `--broker ${text}: expected HOST:PORT[,HOST:PORT…], for example ${defaultBroker}`,
      );
    }
    return { host: match[1]!.replace(/^\[|\]$/g, ''), port };
  });
}
