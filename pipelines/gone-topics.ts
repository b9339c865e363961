// Topics that were deleted, with or without another one of the name in their place, and what an edge has to do with them still. Groups know topics by name alone, so an offset
// may be one of a topic that is no more: it says nothing about its namesake. What was decided of such a topic is published, and its temporary files are removed: nobody is
// assigned its partitions any more, so whoever gets a partition of the same number does it; that it is done twice does no harm. Of a topic that was
// deleted before this edge had decided anything in it, by another process that was killed, nothing is known here: its temporary file stays.
import type { Logger } from '../base/logger.ts';
import type { Admin, StartingPoint, TopicPartition } from '../broker/client/contract.ts';
import { idOfName } from '../broker/client/metadata.ts';
import type { Manifest, WriterScope } from '../sinks/sink.ts';
import { topicIdIn } from './account.ts';
import { partitionOfKey, scopeKey } from './manifests.ts';
import type { Target } from './target.ts';

export class GoneTopics {
  private readonly group: string;
  private readonly logger: Logger;
  /** What the sessions of this process have opened, by scope. */
  private readonly opened = new Map<string, WriterScope>();

  constructor(group: string, logger: Logger) {
    this.group = group;
    this.logger = logger;
  }

  /** Whether the offset is one of a topic that had the name before. What was read of that one may be decided after another has taken its name. */
  voids({ topic, topicId, partition, offset, metadata }: StartingPoint): boolean {
    // The name counts too: the cluster may have got ids for its topics since, by an upgrade to Kafka 2.8 or later.
    const own = [undefined, topicId.toString('hex'), idOfName(topic).toString('hex')];
    if (own.includes(topicIdIn(metadata))) return false;
    const fields = { group: this.group, topic, partition, voidOffset: offset };
    this.logger.warn('A topic was made again: it is read anew, not from where its namesake was', fields);
    return true;
  }

  /** A session writes there. */
  note(scope: WriterScope): void {
    if (scope.kind === 'partition') this.opened.set(scopeKey(scope), scope);
  }

  /** `decided`: the last manifests of the edge, by scope. */
  async finish(
    target: Target,
    admin: Admin,
    decided: ReadonlyMap<string, Manifest>,
    assigned: readonly TopicPartition[],
  ): Promise<void> {
    const scopes = new Map(this.opened);
    for (const key of decided.keys()) {
      const decidedIn = partitionOfKey(key);
      const heir = assigned.find(({ partition }) => partition === decidedIn?.partition);
      if (decidedIn === undefined || heir === undefined) continue;
      scopes.set(key, { kind: 'partition', coordinates: { ...heir, ...decidedIn } });
    }
    if (scopes.size === 0) return;
    const ids = new Set((await admin.topics()).map(({ topicId }) => topicId.toString('hex')));
    for (const [key, scope] of scopes) {
      if (ids.has(key.slice(0, key.indexOf('/')))) continue;
      await target.finish(scope, decided.get(key));
      this.opened.delete(key);
    }
  }
}
