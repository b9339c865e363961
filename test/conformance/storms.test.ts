// The kill storm (test/crash/kill-storm.test.ts) with real stores: Tailrace is killed at random and at named points, while Elasticsearch loses answers and is killed itself, and
// while HDFS loses DataNodes and its NameNode. Documents and lines are exact, and a history is checked. STORM_KILLS makes it long (5 kills unless told
// otherwise), STORM_SEED repeats the draws. Skipped by name where a JDK or Maven is missing.
import { afterEach, describe, expect, it } from 'vitest';
import type { CrashPoint } from '../../base/crash-point.ts';
import type { Random } from '../../base/random.ts';
import { endAll } from '../support/command.ts';
import { KillStorm, type StormOptions } from '../support/kill-storm.ts';
import { canRunJava } from '../support/maven-jars.ts';
import { RealHdfs } from '../support/real-hdfs.ts';
import { canRunSearch, RealSearch } from '../support/real-search.ts';
import { SearchProxy } from '../support/search-proxy.ts';

const kills = Number(process.env['STORM_KILLS'] ?? 5);
const seed = Number(process.env['STORM_SEED'] ?? Date.now() % 1_000_000);
const timeoutMs = 180_000 + kills * 20_000;
/** Stores are slow, and come by at their points seldom. */
const pace = { linesPerSecond: 3000, passes: 3, reachMs: 40_000, lastRunMs: 150_000 };

afterEach(endAll);

async function storm(
  own: readonly CrashPoint[],
  options: Pick<StormOptions, 'points' | 'sink' | 'content' | 'isOrdered' | 'trouble'>,
) {
  const report = await new KillStorm({ ...options, ...pace, seed, kills }).run();
  console.log(report.text, Object.fromEntries(report.hits));
  for (const point of own) expect(report.hits.has(point), point).toBe(true);
  expect(report.leastRotations).toBeGreaterThan(0);
  return report;
}

describe.skipIf(!canRunSearch('elasticsearch-9'))('Elasticsearch 9', () => {
  const points: (CrashPoint | undefined)[] = [
    'search.bulk-answered',
    undefined,
    'edge.prepared',
    'search.bulk-answered',
    'agent.flight-sent',
    'edge.decided',
    undefined,
    'search.bulk-answered',
    'transaction.decision-durable',
    'log.round-written',
  ];

  async function* documents(search: RealSearch) {
    await search.request('POST', '/storm-*/_refresh');
    let page = await search.request('POST', '/storm-*/_search?scroll=1m', { size: 5000 });
    for (;;) {
      const { hits } = (page as { hits: { hits: { _source: { message: string } }[] } }).hits;
      if (hits.length === 0) return;
      for (const { _source } of hits) yield { place: 'index', line: _source.message };
      page = await search.request('POST', '/_search/scroll', { scroll: '1m', scroll_id: page['_scroll_id'] });
    }
  }

  it(
    `has each line as one document after ${kills} kills (seed ${seed})`,
    async () => {
      const search = await RealSearch.start('elasticsearch-9');
      const proxy = await SearchProxy.start(search);
      let lostAnswers = 0;
      /** Answers get lost; now and then the server dies too. */
      const trouble = async (kill: number, random: Random, life: Promise<unknown>) => {
        // In every other life the first answer gets lost, and some after it.
        let chance = kill % 2;
        proxy.fault = () => {
          if (random.next() >= chance) return undefined;
          chance = 0.3;
          lostAnswers++;
          return random.next() < 0.3 ? 'swallow' : 'half';
        };
        if (kill % 10 === 7) {
          await search.kill();
          await search.startServer();
        }
        await life;
        proxy.fault = () => undefined;
      };
      try {
        await storm(['search.bulk-answered'], {
          points,
          sink: () =>
            `{ type: elasticsearch, urls: [ "${proxy.url}" ], index: "storm-%Y.%m.%d", setup: true, timeout: 3s }`,
          content: () => documents(search),
          isOrdered: false,
          trouble,
        });
        expect(lostAnswers).toBeGreaterThan(0);
      } finally {
        await proxy.close();
        await search.stop();
      }
    },
    timeoutMs,
  );
});

describe.skipIf(!canRunJava())('HDFS', () => {
  const points: (CrashPoint | undefined)[] = [
    'hdfs.uploaded',
    'hdfs.renamed',
    undefined,
    'edge.offsets-sent',
    'hdfs.uploaded',
    'edge.decided',
    'hdfs.renamed',
    'edge.published',
    undefined,
    'log.round-synced',
  ];

  async function* linesBelow(hdfs: RealHdfs, folder: string) {
    const files = await hdfs.files(folder);
    for (const path of [...files.keys()].toSorted()) {
      if (path.includes('/.')) throw new Error(`left over: ${path}`);
      const place = path.slice(folder.length + 1).split('-')[0]!;
      for (const line of files.get(path)!.toString().split('\n').slice(0, -1)) yield { place, line };
    }
  }

  it(
    `has each line once after ${kills} kills (seed ${seed})`,
    async () => {
      const hdfs = await RealHdfs.start({ dataNodes: 2 });
      const trouble = async (kill: number, random: Random) => {
        if (kill % 5 === 2) {
          const index = random.next() < 0.5 ? 0 : 1;
          await hdfs.kill(`datanode${index}`);
          hdfs.startDataNode(index);
        } else if (kill % 5 === 4) {
          await hdfs.kill('namenode');
          await hdfs.startNameNode();
        } else return;
        await hdfs.ready(2);
      };
      try {
        await storm(['hdfs.uploaded', 'hdfs.renamed'], {
          points,
          sink: () =>
            `{ type: hdfs, url: "webhdfs://127.0.0.1:${hdfs.webPort}", path: "/storm/{partition}-{offset}.log", user: logs, roll: { size: 1MB, age: 500ms } }`,
          content: () => linesBelow(hdfs, '/storm'),
          trouble,
        });
      } finally {
        await hdfs.stop();
      }
    },
    timeoutMs,
  );
});
