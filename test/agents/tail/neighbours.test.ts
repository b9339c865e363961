// Logs of one name in folders beside and below each other: what is put aside belongs to one of them.
import { mkdirSync } from 'node:fs';
import { describe, it } from 'vitest';
import { arrived, move, pack, write } from '../support/tail-logs.ts';
import { bench, cluster, useTailWorld } from '../support/tail-world.ts';

useTailWorld();

describe('of two logs of one name', () => {
  it.each([
    ['srv/frontend', 'srv/backend'],
    ['srv/shop', 'srv/blog'],
    ['srv/shop', 'srv/logs'],
    ['srv/shop', 'srv/shop/worker'],
  ])('only the one that is followed is read, with its generations: %s beside %s', async (own, other) => {
    const rotate = (folder: string) => {
      move(`${folder}/app.log`, `${folder}/app.log.1`);
      pack(`${folder}/app.log.1`);
    };
    const paths = [`${own}/app.log`];
    const lines = write(own, 0, 3);
    write(other, 0, 3);
    await bench.once(cluster.client(), { paths });
    for (const folder of [own, other]) {
      const more = write(folder, 3, 6);
      rotate(folder);
      move(`${folder}/app.log.1.gz`, `${folder}/app.log.2.gz`);
      const last = write(folder, 6, 9);
      rotate(folder);
      const now = write(folder, 9, 12);
      if (folder === own) lines.push(...more, ...last, ...now);
    }
    await bench.once(cluster.client(), { paths });
    await arrived(lines);
  });

  it.each(['srv/archive', 'srv/old', 'srv/shop-old', 'srv/shop/2026-11', 'srv/shop/aside', 'srv/app-logs'])(
    'what was put into %s is read, too',
    async (aside) => {
      const paths = ['srv/shop/app.log'];
      const lines = write('srv/shop', 0, 3);
      mkdirSync(bench.path(aside), { recursive: true });
      await bench.once(cluster.client(), { paths });
      for (const number of [1, 2]) {
        lines.push(...write('srv/shop', number * 3, number * 3 + 3));
        move('srv/shop/app.log', `${aside}/app.log.${number}`);
      }
      lines.push(...write('srv/shop', 9, 12));
      await bench.once(cluster.client(), { paths });
      await arrived(lines);
    },
  );
});
