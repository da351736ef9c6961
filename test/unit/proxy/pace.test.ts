import { setImmediate as turnOfTheLoop } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Pace } from '../../../proxy/pace.ts';

const SLICE_BYTES = 128 * 1024;
const SMALL_BATCHES_IN_A_SLICE = 8;

test('a slice is over after its bytes, or after so many small batches', () => {
  const pace = new Pace();
  expect(pace.isDue(SLICE_BYTES - 1)).toBe(false);
  expect(pace.isDue(1)).toBe(true);
  const small = Array.from({ length: SMALL_BATCHES_IN_A_SLICE }, () => pace.isDue(1));
  expect(small.indexOf(true)).toBe(SMALL_BATCHES_IN_A_SLICE - 1);
});

test('all work together gets one slice in a turn of the loop, in the order of asking', async () => {
  const slices: string[] = [];
  const work = async (name: string): Promise<void> => {
    const pace = new Pace();
    for (let slice = 0; slice < 2; slice++) {
      await pace.nextTurn();
      slices.push(name);
    }
  };
  const done = Promise.all(['first', 'second', 'third'].map(work));
  const afterTurn: number[] = [];
  for (let turn = 0; turn < 6; turn++) {
    await turnOfTheLoop();
    afterTurn.push(slices.length);
  }
  await done;
  expect(slices).toEqual(['first', 'second', 'third', 'first', 'second', 'third']);
  expect(afterTurn).toEqual([1, 2, 3, 4, 5, 6]);
});
