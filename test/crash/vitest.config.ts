// `npm run test:crash`: processes that are killed. The short form; STORM_KILLS=1000 makes it long.
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/crash/**/*.test.ts'],
    globalSetup: ['test/support/build.ts'],
    testTimeout: 60_000 + Number(process.env['STORM_KILLS'] ?? 15) * 5_000,
    fileParallelism: false,
  },
});
