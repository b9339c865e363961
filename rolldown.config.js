// dist/: the command with the packages it always loads, in a few files. Measured: 540 modules cost 100 ms of each start and 4 MiB. What is loaded on first use
// stays apart, and so do packages with native parts. White space is left out, names are kept. Types are checked by `npm run check`.
import { defineConfig } from 'rolldown';

function escapeAll(code) {
  if (code.includes('String.raw`')) throw new Error('raw texts would change with their escapes');
  return code.replace(/[^\x00-\x7f]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

export default defineConfig({
  input: { entry: 'cli/entry.ts' },
  platform: 'node',
  external: [/^@node-rs\//, 'snappy', 'lz4-napi', 'pino', 'undici', 'fastify', '@elastic/elasticsearch'],
  plugins: [
    {
      name: 'ascii',
      // One other character makes V8 keep the source with two bytes for each.
      generateBundle(_options, bundle) {
        for (const chunk of Object.values(bundle)) if (chunk.type === 'chunk') chunk.code = escapeAll(chunk.code);
      },
    },
  ],
  output: {
    dir: 'dist',
    cleanDir: true,
    minify: { compress: false, mangle: false },
    format: 'esm',
    entryFileNames: 'cli/[name].js',
    chunkFileNames: 'cli/[name]-[hash].js',
  },
});
