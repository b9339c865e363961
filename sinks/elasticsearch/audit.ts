// Looks whether a store has the documents of records, under the names of indices and the ids that the sink gives them.
import { TailraceError } from '../../base/errors.ts';
import type { DeliveryBatch, SinkAuditor, SoughtRecord } from '../sink.ts';
import { type BulkWriter, placeOf } from './bulk.ts';
import type { Cluster } from './cluster.ts';
import { findIds, refresh } from './lookup.ts';

const limits = { bytes: 4e6, count: 5000 };

export class ElasticsearchAuditor implements SinkAuditor {
  readonly fieldPaths: readonly string[];
  private readonly cluster: Cluster;
  private readonly writer: BulkWriter;
  /** Searches see everything that was there at the first look. Undefined: there is no such index. */
  private readonly refreshed = new Map<string, boolean>();

  constructor(cluster: Cluster, writer: BulkWriter, fieldPaths: readonly string[]) {
    this.cluster = cluster;
    this.writer = writer;
    this.fieldPaths = fieldPaths;
  }

  async seek(batch: DeliveryBatch, signal: AbortSignal): Promise<SoughtRecord[]> {
    const records: { offset: number; ordinal: number }[] = [];
    batch.forEach(({ offset, ordinal }) => records.push({ offset, ordinal }));
    const sought: SoughtRecord[] = [];
    for (let next = 0; next < batch.count;) {
      const { bulk } = this.writer.write(batch, next, limits);
      if (bulk === undefined) break;
      next = bulk.places.at(-1)! + 1;
      const places = bulk.places.map((place, item) => ({ ...records[place]!, ...placeOf(bulk, item) }));
      this.writer.giveBack(bulk);
      for (const name of new Set(places.map(({ index }) => index))) {
        const here = places.filter(({ index }) => index === name);
        const found = await this.find(name, [...new Set(here.map(({ id }) => id))], signal);
        for (const { offset, ordinal, id } of here)
          sought.push({ offset, ordinal, name: `${name}/_doc/${id}`, isThere: found.has(id) });
      }
    }
    return sought;
  }

  close(): Promise<void> {
    return this.cluster.close();
  }

  private async find(name: string, ids: readonly string[], signal: AbortSignal): Promise<ReadonlySet<string>> {
    let isThere = this.refreshed.get(name);
    if (isThere === undefined) {
      const status = await refresh(this.cluster, name, signal);
      if (status !== 200 && status !== 404) {
        const message = `${this.cluster.name} does not let the audit look into ${name} (status ${status}); it needs the rights read and maintenance`;
        throw new TailraceError('TLR_SINK', message, { retriable: true });
      }
      isThere = status === 200;
      this.refreshed.set(name, isThere);
    }
    return isThere ? findIds(this.cluster, name, ids, signal) : new Set();
  }
}
