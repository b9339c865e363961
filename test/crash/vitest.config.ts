// `npm run test:crash`: processes that are killed, power cuts, I/O errors. The short form; docs/durability.md has the long ones.
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: [
      'test/crash/**/*.test.ts',
      // The states that a power cut may leave, more of them than in `npm test`: log and metadata, transactions and positions, manifests and files.
      'test/broker/log/crash.test.ts',
      'test/broker/coordinator/transaction-crash.test.ts',
      'test/sinks/file/crash.test.ts',
    ],
    env: { CRASH_STATES: process.env['CRASH_STATES'] ?? '40' },
    globalSetup: ['test/support/build.ts'],
    testTimeout: 60_000 + Number(process.env['STORM_KILLS'] ?? 15) * 5_000,
    fileParallelism: false,
  },
});
