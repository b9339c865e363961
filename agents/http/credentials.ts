// Who may write: compares what a request brings with what is configured, in a time that does not depend on how much of it is right.
import { createHash, timingSafeEqual } from 'node:crypto';
import type { HttpSettings } from './settings.ts';

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/** Checks the header Authorization. */
export class Credentials {
  /** SHA-256 of each "scheme credentials" that opens the door; as hashes they are of one length, whatever was sent. */
  private readonly accepted: Buffer[] = [];
  /** For WWW-Authenticate; undefined when everybody may write. */
  readonly challenge: string | undefined;

  constructor(auth: HttpSettings['auth']) {
    if (auth?.bearer !== undefined) this.accepted.push(digest(`bearer ${auth.bearer}`));
    if (auth?.basic !== undefined) {
      const { user, password } = auth.basic;
      this.accepted.push(digest(`basic ${user}:${password}`));
    }
    const schemes = [
      ...(auth?.bearer === undefined ? [] : ['Bearer realm="tailrace"']),
      ...(auth?.basic === undefined ? [] : ['Basic realm="tailrace", charset="UTF-8"']),
    ];
    this.challenge = schemes.length === 0 ? undefined : schemes.join(', ');
  }

  allow(authorization: string | undefined): boolean {
    if (this.accepted.length === 0) return true;
    const [, scheme = '', value = ''] = /^(\S+) +(\S+) *$/.exec(authorization ?? '') ?? [];
    const name = scheme.toLowerCase();
    const shown = digest(`${name} ${name === 'basic' ? Buffer.from(value, 'base64').toString('utf8') : value}`);
    let allowed = false;
    for (const accepted of this.accepted) if (timingSafeEqual(accepted, shown)) allowed = true;
    return allowed;
  }
}
