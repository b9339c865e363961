import { expect, it } from 'vitest';
import { apisPage, errorsPage, metricsPage, settingsPage } from './pages.ts';

it.each([
  ['settings.md', settingsPage],
  ['errors.md', errorsPage],
  ['kafka-apis.md', apisPage],
  ['metrics.md', metricsPage],
])('docs/%s is what the code says (npm run docs writes it)', async (name, page) => {
  await expect(page()).toMatchFileSnapshot(`../../docs/${name}`);
});
