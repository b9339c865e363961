// Topic → a real Elasticsearch 9, without steps, beside what it takes of the same lines as ready-made bodies from a bare loop of undici with as many requests side
// by side: its own limit on this machine, of which it takes the greater part. Both go through the same proxy (test/support/search-proxy.ts).
import { formatCount } from '../base/units.ts';
import { canRunSearch, RealSearch } from '../test/support/real-search.ts';
import { SearchProxy } from '../test/support/search-proxy.ts';
import { bulkBodies, FilledTopic, sendBare } from './bulk.ts';
import { hottest } from './measured.ts';

const documents = Number(process.env['BENCH_DOCUMENTS'] ?? 150_000);
const rounds = Number(process.env['BENCH_ROUNDS'] ?? 2);

/** Seconds from the first bulk to the end of the command, which waits for everything to be stored. */
async function ship(topic: FilledTopic, proxy: SearchProxy, index: string, profiles?: string) {
  let firstMs: number | undefined;
  proxy.fault = () => {
    firstMs ??= performance.now();
    return undefined;
  };
  const command = topic.run(`"${proxy.url.replace('http:', 'elasticsearch:')}/${index}"`, 'topic', profiles);
  const { mainSeconds } = await command.end();
  const seconds = (performance.now() - firstMs!) / 1000;
  return { seconds, mainSeconds, command };
}

/** `npm run bench elasticsearch`: a part of `npm run bench pipelines`. */
export async function elasticsearch(folder: string): Promise<void> {
  if (!canRunSearch('elasticsearch-9')) {
    console.log('a real Elasticsearch 9: skipped, for there is no Java here that runs it');
    return;
  }
  const topic = await FilledTopic.fill(folder, documents);
  const search = await RealSearch.start('elasticsearch-9');
  const proxy = await SearchProxy.start(search);
  const rate = (seconds: number) =>
    `${formatCount(Math.round(documents / seconds))} documents/s (${(topic.bytes / 1e6 / seconds).toFixed(1)} MB/s)`;
  try {
    console.log(`to a real Elasticsearch ${search.version}, ${formatCount(documents)} documents, no steps`);
    await sendBare(proxy.url, bulkBodies(documents / 2, 'warm'));
    let [own, bare, main] = [Infinity, Infinity, Infinity];
    for (let round = 0; round < rounds; round++) {
      const index = `own-${round}`;
      const { seconds, mainSeconds } = await ship(topic, proxy, index);
      if ((await search.count(index)) !== documents) throw new Error(`not all documents are in ${index}`);
      own = Math.min(own, seconds);
      main = Math.min(main, mainSeconds);
      bare = Math.min(bare, await sendBare(proxy.url, bulkBodies(documents, `bare-${round}`)));
    }
    console.log(
      `  topic → sink          ${rate(own)}, with ${main.toFixed(1)} s of its main thread's time, start and end included`,
    );
    console.log(
      `  ready-made bodies     ${rate(bare)}, by a bare loop of undici; ours is ${(bare / own).toFixed(2)} of it`,
    );
    const { command } = await ship(topic, proxy, 'profiled', folder);
    console.log(`    profile: ${hottest(command.profile())}`);
  } finally {
    await proxy.close();
    await search.stop();
  }
}
