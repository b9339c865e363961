// Keys and certificates of settings: a PEM text, or the file that holds it.
import { messageOf, TailraceError } from './errors.ts';
import type { Files } from './files.ts';

/**
 * The text itself, or what is in the file; nothing for nothing. Throws TLR_CONFIG, naming the setting, when the file cannot be read; never quotes
 * a text.
 */
export async function readPem<Text extends string | undefined>(
  files: Files,
  text: Text,
  setting: string,
): Promise<string | (Text & undefined)> {
  if (text === undefined) return text;
  if (text.includes('-----BEGIN')) return text;
  try {
    return (await files.readFile(text)).toString('utf8');
  } catch (error) {
    throw new TailraceError('TLR_CONFIG', `${setting}: ${messageOf(error)}`, { cause: error });
  }
}

/** Runs what takes the certificate of the listener at `address`. Throws TLR_CONFIG when key and certificate are none or do not fit. */
export function withIdentity<T>(address: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw new TailraceError('TLR_CONFIG', `TLS of the listener ${address}: ${messageOf(error)}`, { cause: error });
  }
}
