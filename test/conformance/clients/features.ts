// The columns of the table of clients: what each of them does with a broker, the same for all, and what must come of it.
import { expect } from 'vitest';
import { systemClock } from '../../../base/clock.ts';
import type { KafkaClient } from '../../../broker/client/contract.ts';
import { fetchRequest } from '../../../broker/wire/messages/01-fetch.ts';
import { readBatchHeader } from '../../../broker/wire/record-batch.ts';
import { RawClient } from '../../support/raw-client.ts';

export const codecs = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const;
export type Codec = (typeof codecs)[number];

/** Where a cell of the table runs. */
export interface Place {
  bootstrap: string;
  /** Topic, group and transactional id of this cell alone. The topic is there already, except for `admin`. */
  name: string;
}

export interface SentRecord {
  key: string;
  value: string;
  headers: [string, string][];
  timestamp: number;
}

/** One client; a feature that it does not have is left out. */
export interface Driver {
  version: string;
  /** False when it cannot say of what time a record is. */
  choosesTimes?: boolean;
  /** Features that it has, and that work with no broker: why, and what is seen then. */
  fails?: Partial<Record<Feature, { why: string; throws: RegExp }>>;
  /** Where something else must come of a feature than of the others'. */
  expects?: Partial<Record<Feature, unknown>>;
  /** Sends the records, and returns what it reads. */
  records?: (place: Place, records: readonly SentRecord[]) => Promise<SentRecord[]>;
  /** Sends the values to the topic with that codec, and returns those it reads. */
  compression?: (place: Place, codec: Codec, values: readonly string[]) => Promise<string[]>;
  /** Two members of a group read the four partitions while the first half of the values is sent; one leaves, and the second half is sent. */
  rebalance?: (
    place: Place,
    values: readonly string[],
  ) => Promise<{ together: number[]; alone: number; read: string[] }>;
  /** A member of the group reads 60 values, commits and leaves; another one reads what is sent after that. */
  resume?: (place: Place, values: readonly string[]) => Promise<{ first: string[]; then: string[] }>;
  /** Four transactions of five records, "aborted 0" and so on, committed, aborted, committed, each with an offset of the group; returns what read_committed shows. */
  transactions?: (place: Place, outcomes: readonly Outcome[]) => Promise<string[]>;
  /** Creates the topic with two partitions and retention.ms=12345, asks for both, changes them to 3 and 54321, asks again, deletes. */
  admin?: (place: Place) => Promise<{ partitions: number[]; retention: string[]; listed: boolean[] }>;
  /** The first offset at that time or later, and the end. */
  times?: (place: Place, timestamp: number) => Promise<{ offset: number; end: number }>;
}

export interface Outcome {
  ends: 'aborted' | 'committed';
  values: string[];
  /** Next offset of partition 0 of the topic, sent within the transaction. */
  offset: number;
}

export const features = {
  records: 'keys, headers, times',
  compression: 'five compressions',
  rebalance: 'group, one leaves',
  resume: 'commit and resume',
  transactions: 'transactions',
  admin: 'administration',
  times: 'offsets by time',
} as const;
export type Feature = keyof typeof features;
export const featureNames = Object.keys(features) as Feature[];

export const numbered = (prefix: string, from: number, to: number) =>
  Array.from({ length: to - from }, (_none, index) => `${prefix}${from + index}`);

const firstMs = 1_700_000_000_000;
const sentRecords: SentRecord[] = ['first é', 'second'].map((value, index) => ({
  ...{ key: `k${index}`, value, timestamp: firstMs + index },
  headers: [
    ['origin', 'test'],
    ['trace', 'a1'],
  ],
}));
const outcomes: Outcome[] = (['aborted', 'committed', 'aborted', 'committed'] as const).map((ends, index) => ({
  ...{ ends, offset: index + 3 },
  values: numbered(`${ends} ${index} `, 0, 5),
}));
const sorted = (values: readonly string[]) => [...values].sort();

type Check = (driver: Driver, place: Place, own: KafkaClient) => Promise<void>;

/** What a cell does, and what it expects. The driver has the feature. */
export const checks: Record<Feature, Check> = {
  async records(driver, place, own) {
    await own.admin().createTopic({ name: place.name, partitions: 1 });
    const startMs = systemClock.now();
    const read = await driver.records!(place, sentRecords);
    if (driver.choosesTimes === false) {
      for (const { timestamp } of read) {
        expect(timestamp).toBeGreaterThanOrEqual(startMs - 1000);
        expect(timestamp).toBeLessThanOrEqual(systemClock.now() + 1000);
      }
      expect(read.map(({ key, value, headers }) => ({ key, value, headers }))).toEqual(
        sentRecords.map(({ key, value, headers }) => ({ key, value, headers })),
      );
    } else expect(read).toEqual(sentRecords);
  },
  async compression(driver, place, own) {
    const values = numbered('that compresses well '.repeat(4), 0, 100);
    const roundTrip = async (codec: Codec) => {
      const name = `${place.name}-${codec}`;
      await own.admin().createTopic({ name, partitions: 1 });
      const read = await driver.compression!({ ...place, name }, codec, values);
      expect(read, codec).toEqual(driver.expects?.compression ?? values);
      expect(await storedCodec({ ...place, name })).toBe(codec);
    };
    await Promise.all(codecs.map(roundTrip));
  },
  async rebalance(driver, place, own) {
    const values = numbered('v', 0, 40);
    await own.admin().createTopic({ name: place.name, partitions: 4 });
    const { together, alone, read } = await driver.rebalance!(place, values);
    expect({ together, alone }).toEqual({ together: [2, 2], alone: 4 });
    expect(sorted([...new Set(read)])).toEqual(sorted((driver.expects?.rebalance as string[] | undefined) ?? values));
  },
  async resume(driver, place, own) {
    await own.admin().createTopic({ name: place.name, partitions: 1 });
    const values = numbered('v', 0, 70);
    const { first, then } = await driver.resume!(place, values);
    const expected = (driver.expects?.resume as string[] | undefined) ?? values;
    expect({ first, then }).toEqual({ first: expected.slice(0, 60), then: expected.slice(60) });
    expect(await committed(place, own)).toBe(70);
  },
  async transactions(driver, place, own) {
    await own.admin().createTopic({ name: place.name, partitions: 1 });
    const read = await driver.transactions!(place, outcomes);
    const kept = outcomes.filter(({ ends }) => ends === 'committed');
    const { values, offset } = (driver.expects?.transactions as { values: string[]; offset: number } | undefined) ?? {
      values: kept.flatMap((outcome) => outcome.values),
      offset: kept.at(-1)!.offset,
    };
    expect(read).toEqual(values);
    expect(await committed(place, own)).toBe(offset);
  },
  async admin(driver, place) {
    expect(await driver.admin!(place)).toEqual({
      partitions: [2, 3],
      retention: ['12345', '54321'],
      listed: [true, false],
    });
  },
  async times(driver, place, own) {
    const { name: topic } = place;
    await own.admin().createTopic({ name: topic, partitions: 1 });
    const producer = own.producer();
    await producer.send(
      [0, 1000, 2000].map((afterMs) => ({ topic, value: Buffer.from('x'), timestampMs: firstMs + afterMs })),
    );
    await producer.close();
    expect(await driver.times!(place, firstMs + 500)).toEqual({ offset: 1, end: 3 });
  },
};

/** The next offset that the group of this place has committed for partition 0. */
async function committed({ name }: Place, own: KafkaClient): Promise<number | undefined> {
  return (await own.admin().groupOffsets(name)).get(name)?.get(0)?.offset;
}

/** How the first batch of the topic is compressed, as the broker hands it out. */
async function storedCodec({ bootstrap, name: topic }: Place): Promise<string> {
  const raw = await RawClient.connect(Number(bootstrap.split(':')[1]));
  const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1 << 20 }];
  const answer = await raw.request('Fetch', 11, fetchRequest.create({ topics: [{ topic, partitions }] }));
  raw.close();
  return readBatchHeader(answer.responses[0]!.partitions[0]!.records[0]!).compression;
}
