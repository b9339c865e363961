// dist/: the command with the packages it always loads, in a few files. Measured: 540 modules cost 100 ms of each start and 4 MiB. What is loaded on first use
// stays apart, and so do packages with native parts. Types are checked by `npm run check`.
import { defineConfig } from 'rolldown';

export default defineConfig({
  input: { entry: 'cli/entry.ts' },
  platform: 'node',
  external: [/^@node-rs\//, 'snappy', 'lz4-napi', 'pino', 'undici', 'fastify', '@elastic/elasticsearch'],
  output: {
    dir: 'dist',
    cleanDir: true,
    format: 'esm',
    entryFileNames: 'cli/[name].js',
    chunkFileNames: 'cli/[name]-[hash].js',
  },
});
