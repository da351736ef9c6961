import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { KeyedLock } from '../../../../proxy/topics/keyed-lock.ts';

test('no two hold a key at once, everybody gets his turn, and nobody waits in a circle', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.uniqueArray(fc.constantFrom('a', 'b', 'c'), { minLength: 1 }), { maxLength: 20 }),
      fc.scheduler(),
      async (wishes, scheduler) => {
        const lock = new KeyedLock();
        const held = new Set<string>();
        const served: number[] = [];
        const all = wishes.map(async (keys, index) => {
          const release = await lock.acquire(keys);
          for (const key of keys) {
            expect(held.has(key)).toBe(false);
            held.add(key);
          }
          await scheduler.schedule(Promise.resolve());
          for (const key of keys) held.delete(key);
          served.push(index);
          release();
          release();
        });
        const finished = Promise.all(all);
        await scheduler.waitFor(finished);
        expect(served).toHaveLength(wishes.length);
      },
    ),
    { numRuns: 100 },
  );
});
