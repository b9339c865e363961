// How many files agents may have open.
import { expect, it } from 'vitest';
import { handleBudget } from '../../agents/handle-budget.ts';

const countOf = async (text: string) => {
  const budget = await handleBudget({ readFile: () => Promise.resolve(Buffer.from(text)) });
  let count = 0;
  while (budget.take()) count++;
  return count;
};
const header = 'Limit                     Soft Limit           Hard Limit           Units\n';

it.each([
  [
    'three quarters of what the process may have',
    `${header}Max open files            4096                 524288               files\n`,
    3072,
  ],
  [
    'no more than are of use',
    `${header}Max open files            1048576              1048576              files\n`,
    65_536,
  ],
  ['none where nothing is said', header, 0],
])('are %s', async (_what, text, expected) => expect(await countOf(text)).toBe(expected));

it('are none where there is no /proc', async () => {
  const budget = await handleBudget({ readFile: () => Promise.reject(new Error('ENOENT')) });
  expect(budget.take()).toBe(false);
  budget.giveBack();
  expect(budget.take()).toBe(true);
});
