// `npm run test:rotation`: real processes, real rotators. The short form takes every way of rotating with one file; ROTATION=all runs the whole
// matrix and writes docs/rotation.md.
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/rotation/**/*.test.ts'],
    globalSetup: ['test/support/build.ts'],
    testTimeout: process.env['ROTATION'] === 'all' ? 1_500_000 : 120_000,
    fileParallelism: false,
  },
});
