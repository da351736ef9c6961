/** Longer runs with faults, apart from the gate: `npm run test:faults`. */
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    name: 'faults',
    dir: import.meta.dirname,
    fileParallelism: false,
    testTimeout: 1_800_000,
    hookTimeout: 180_000,
  },
});
