// A bundle for bench/durability.ts: the one of rolldown.config.js with one module exchanged, which BENCH_EXCHANGE names.
import { join } from 'node:path';
import { defineConfig } from 'rolldown';
import usual from '../rolldown.config.js';

const exchanges = {
  'no-transaction': { source: './transaction.ts', importer: 'broker/client/producer.ts', instead: 'no-transaction.ts' },
  'no-ledger': { source: './progress.ts', importer: 'pipelines/edge-session.ts', instead: 'no-ledger.ts' },
};
const name = process.env.BENCH_EXCHANGE;
const exchange = exchanges[name];
let isExchanged = false;

export default defineConfig({
  ...usual,
  output: { ...usual.output, dir: `out/${name}` },
  plugins: [
    {
      name,
      resolveId(source, importer) {
        if (source !== exchange.source || !importer?.endsWith(exchange.importer)) return null;
        isExchanged = true;
        return join(import.meta.dirname, exchange.instead);
      },
      buildEnd() {
        if (!isExchanged) throw new Error(`nothing would be built with ${name}`);
      },
    },
  ],
});
