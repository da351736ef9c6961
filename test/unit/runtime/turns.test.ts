import { setImmediate as turnOfTheLoop } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { inTurns, nextTurn } from '../../../runtime/index.ts';

test('all work together gets one slice in a turn of the loop, in the order of asking', async () => {
  const slices: string[] = [];
  const work = async (name: string): Promise<void> => {
    for (let slice = 0; slice < 2; slice++) {
      await nextTurn();
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

test('items come in their order, none left out', async () => {
  const items = Array.from({ length: 1_000 }, (_, index) => index);
  const seen: number[] = [];
  for await (const item of inTurns(items)) seen.push(item);
  expect(seen).toEqual(items);
});
