// Which version of an API to speak with a broker: the greatest that both sides have. Fed from ApiVersions over a socket, from the
// handler table in process.
import { TailraceError } from '../../base/errors.ts';
import { type ApiName, apis } from '../wire/apis.ts';

export class ApiVersionTable {
  private readonly ranges: ReadonlyMap<ApiName, readonly [number, number]>;
  private readonly features: ReadonlyMap<string, number>;

  constructor(ranges: ReadonlyMap<ApiName, readonly [number, number]>, features: ReadonlyMap<string, number>) {
    this.ranges = ranges;
    this.features = features;
  }

  /** The version to use for `api`, at most `maxVersion`. Throws TailraceError TLR_PROTOCOL when there is none in common. */
  versionOf(api: ApiName, maxVersion = Number.MAX_SAFE_INTEGER): number {
    const theirs = this.ranges.get(api);
    const [ourFirst, ourLast] = apis[api].versions;
    if (theirs === undefined) throw new TailraceError('TLR_PROTOCOL', `the broker does not offer ${api}`);
    const version = Math.min(theirs[1], ourLast, maxVersion);
    if (version < theirs[0] || version < ourFirst) {
      throw new TailraceError(
        'TLR_PROTOCOL',
        `no version of ${api} in common: the broker has ${theirs[0]} to ${theirs[1]}, we have ${ourFirst} to ${Math.min(ourLast, maxVersion)}`,
      );
    }
    return version;
  }

  /** The level of a finalized feature; 0 when the broker does not name it. */
  feature(name: string): number {
    return this.features.get(name) ?? 0;
  }
}
