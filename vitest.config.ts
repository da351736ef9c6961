import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'check',
          include: ['test/check/**/*.test.ts'],
          testTimeout: 120_000,
        },
      },
      {
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
          testTimeout: 30_000,
        },
      },
      {
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          globalSetup: ['test/integration/global-setup.ts'],
          // One file at a time, after the unit tests: the files share the servers' processors.
          fileParallelism: false,
          sequence: { groupOrder: 1 },
          // The first run of each of Kafka's tools takes seconds longer.
          testTimeout: 120_000,
          hookTimeout: 120_000,
          // What is waited for comes in milliseconds, but not on a machine that is busy.
          expect: { poll: { timeout: 20_000 } },
          // kafkajs counts down to below zero, on which Node.js remarks.
          execArgv: ['--disable-warning=TimeoutNegativeWarning'],
        },
      },
    ],
  },
});
