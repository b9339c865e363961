// What a test of the tail agent works with: a bench and a cluster with the topic `lines`, fresh for each test of the file that calls useTailWorld().
import { afterEach, beforeEach } from 'vitest';
import { FakeCluster } from './fake-cluster.ts';
import { TailBench } from './tail-bench.ts';

export let bench: TailBench;
export let cluster: FakeCluster;

export function useTailWorld(): void {
  beforeEach(() => {
    bench = new TailBench();
    cluster = new FakeCluster();
    cluster.createTopic('lines');
  });
  afterEach(() => bench.close());
}

/** All lines that have arrived, in their order. */
export const texts = () => cluster.lines('lines').map(({ text }) => text);
