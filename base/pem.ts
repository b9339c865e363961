// Keys and certificates of settings: a PEM text, or the file that holds it.
import { X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
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

/** By OpenSSL's codes, what is wrong with a key and a certificate. */
const identityProblems: Readonly<Record<string, string>> = {
  ERR_OSSL_X509_KEY_VALUES_MISMATCH:
    'tls.key is not the key of the certificate in tls.cert (its first one, where it is a chain)',
  ERR_OSSL_PEM_NO_START_LINE: 'tls.cert holds no certificate in PEM, or tls.key no private key',
  ERR_OSSL_UNSUPPORTED: 'tls.key holds no private key in PEM',
  ERR_OSSL_BAD_DECRYPT: 'tls.key is locked by a passphrase: unlock it with `openssl pkey -in … -out …`',
};

/** Runs what takes the certificate of the listener at `address`. Throws TLR_CONFIG when key and certificate are none or do not fit. */
export function withIdentity<T>(address: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    const reason = identityProblems[code] ?? messageOf(error);
    throw new TailraceError('TLR_CONFIG', `TLS of the listener ${address}: ${reason}`, { cause: error });
  }
}

/** What a listener shows, as PEM texts. */
export interface ShownIdentity {
  cert: string;
  key: string;
  ca?: string | undefined;
}

/** Throws TLR_CONFIG when the listener at `address` cannot show it: key and certificate are none or do not fit. */
export function assertShowable(address: string, identity: ShownIdentity): void {
  withIdentity(address, () => createSecureContext(identity));
}

/** What is wrong with the dates of a certificate that a listener shows; undefined when nothing is. `nowMs`: the time of day. */
export function datesProblem(cert: string, nowMs: number): string | undefined {
  const { validFrom, validTo } = new X509Certificate(cert);
  if (nowMs > Date.parse(validTo)) return `has expired on ${validTo}: clients will not connect until it is renewed`;
  if (nowMs < Date.parse(validFrom)) return `is not valid before ${validFrom}: clients will not connect until then`;
  return undefined;
}
