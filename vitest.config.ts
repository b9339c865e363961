// `npm test`: everything but the suites that need more time or other software (crash, conformance, rotation).
import { defineConfig } from 'vitest/config';

const limits = { testTimeout: 30_000, hookTimeout: 30_000 };

export default defineConfig({
  test: {
    maxWorkers: 2,
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/{crash,conformance,rotation,e2e}/**', 'node_modules/**'],
          ...limits,
        },
      },
      // The real command as a process of its own: dist/ must be there and true.
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          globalSetup: ['test/support/build.ts'],
          ...limits,
          testTimeout: 90_000,
        },
      },
    ],
  },
});
