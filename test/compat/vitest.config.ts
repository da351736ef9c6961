/** Outrigger's image in front of the releases of Kafka, apart from the gate: `npm run test:compat`. */
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    name: 'compat',
    dir: import.meta.dirname,
    globalSetup: ['test/compat/global-setup.ts'],
    fileParallelism: false,
    testTimeout: 600_000,
    // Images may have to be pulled first.
    hookTimeout: 900_000,
    // kafkajs counts down to below zero, on which Node.js remarks.
    execArgv: ['--disable-warning=TimeoutNegativeWarning'],
  },
});
