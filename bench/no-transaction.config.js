// The bundle for bench/durability.ts: the one of rolldown.config.js, but with bench/no-transaction.ts instead of broker/client/transaction.ts.
import { join } from 'node:path';
import { defineConfig } from 'rolldown';
import usual from '../rolldown.config.js';

const instead = join(import.meta.dirname, 'no-transaction.ts');
let isExchanged = false;

export default defineConfig({
  ...usual,
  output: { ...usual.output, dir: 'out/no-transaction' },
  plugins: [
    {
      name: 'no-transaction',
      resolveId(source, importer) {
        if (source !== './transaction.ts' || !importer?.endsWith('broker/client/producer.ts')) return null;
        isExchanged = true;
        return instead;
      },
      buildEnd() {
        if (!isExchanged) throw new Error('the producer would be built with its transactions');
      },
    },
  ],
});
