import { appendFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { keyOfField } from '../../../agents/tail/line-key.ts';
import { partitionForKey } from '../../../broker/wire/murmur2.ts';
import { FakeCluster } from '../support/fake-cluster.ts';
import { TailBench } from '../support/tail-bench.ts';

const keyOf = (field: string, line: string) => {
  const source = Buffer.from(`before${line}behind`);
  return keyOfField(field)(source, 6, source.length - 6)?.toString();
};

describe('the key of a line', () => {
  it.each([
    ['id', '{"id":"a"}', 'a'],
    ['id', ' {"x":{"id":"no"},"id":"grün"}', 'grün'],
    ['id', '{"id":17}', '17'],
    ['id', '{"id":true}\r', 'true'],
    ['user.id', '{"user":{"id":"inner"}}', 'inner'],
    ['user.id', '{"user":{"id":"inner"},"user.id":"outer"}', 'outer'],
    ['a.b.c', '{"a":{"b.c":"deep"}}', 'deep'],
    ['id', `{"id":"${'x'.repeat(512)}"}`, 'x'.repeat(512)],
  ])('%s of %s', (field, line, key) => {
    expect(keyOf(field, line)).toBe(key);
  });

  it.each([
    ['id', 'id=7'],
    ['id', ''],
    ['id', '{"id":'],
    ['id', '["id"]'],
    ['id', '{"id":null}'],
    ['id', '{"id":""}'],
    ['id', '{"id":{"a":1}}'],
    ['id', '{"id":1.5}'],
    ['id', '{"id":12345678901234567890}'],
    ['id', `{"id":"${'x'.repeat(513)}"}`],
    ['toString', '{"id":1}'],
    ['length', '{"id":"abc"}'],
    ['id.length', '{"id":"abc"}'],
  ])('there is none: %s of %s', (field, line) => {
    expect(keyOf(field, line)).toBeUndefined();
  });
});

it('sends lines of one key to one partition, as Kafka clients do, and those without one where the file goes', async () => {
  const bench = new TailBench();
  const cluster = new FakeCluster();
  cluster.createTopic('lines', 8);
  try {
    const written: string[] = [];
    for (let number = 0; number < 300; number++) {
      const line =
        number % 10 === 0 ? `plain ${number}` : JSON.stringify({ number, user: { id: `user-${number % 13}` } });
      written.push(line);
      appendFileSync(bench.path(`${number % 3}.log`), `${line}\n`);
      if (number === 150) await bench.once(cluster.client(), { paths: ['*.log'], key: 'user.id' });
    }
    await bench.once(cluster.client(), { paths: ['*.log'], key: 'user.id' });
    const lines = cluster.lines('lines');
    expect(lines.map(({ text }) => text).sort()).toEqual(written.sort());
    const ofFiles = new Map<string, Set<number>>();
    for (const { text, key, partition, file } of lines) {
      if (text.startsWith('plain')) {
        expect(key).toBeUndefined();
        ofFiles.set(file, (ofFiles.get(file) ?? new Set()).add(partition));
      } else {
        const { number } = JSON.parse(text) as { number: number };
        expect(key).toBe(`user-${number % 13}`);
        expect(partition).toBe(partitionForKey(Buffer.from(key!), 8));
      }
    }
    expect([...ofFiles.values()].map(({ size }) => size)).toEqual([1, 1, 1]);
    expect(new Set(lines.map(({ partition }) => partition)).size).toBeGreaterThan(4);
    const order = new Map<string, number>();
    for (const { file, position, key } of lines) {
      expect(position).toBeGreaterThan(order.get(`${file} ${key}`) ?? -1);
      order.set(`${file} ${key}`, position);
    }
  } finally {
    await bench.close();
  }
});
