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
