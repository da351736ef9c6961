import { expect } from 'vitest';

/** Far more than anything takes on a busy machine. */
const TIMEOUT_MS = 60_000;

/** @returns an assertion about what `read` gives sooner or later */
export function eventually<T>(read: () => T): ReturnType<typeof expect.poll<T>> {
  return expect.poll(read, { timeout: TIMEOUT_MS });
}
