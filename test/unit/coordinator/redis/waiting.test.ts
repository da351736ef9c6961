import { expect, test } from 'vitest';
import { Backoff } from '../../../../coordinator/redis/backoff.ts';
import { Waker } from '../../../../coordinator/redis/waker.ts';

const FOREVER = undefined;
const NEVER = new AbortController().signal;

test('waits double up to 5 s, are half random, and are short again after a success', () => {
  const longest = new Backoff(() => 1);
  const waits = Array.from({ length: 40 }, () => longest.nextMs());
  expect(waits.slice(0, 7)).toEqual([100, 200, 400, 800, 1600, 3200, 5000]);
  expect(waits.at(-1)).toBe(5000);
  longest.reset();
  expect(longest.nextMs()).toBe(100);
  expect(new Backoff(() => 0).nextMs()).toBe(50);
});

test('a sleeper is woken, also by a call that came before it slept, but only once', async () => {
  const waker = new Waker();
  const sleeping = waker.sleep(FOREVER, NEVER);
  waker.wake();
  await sleeping;
  waker.wake();
  await waker.sleep(FOREVER, NEVER);
  const abort = new AbortController();
  const asleep = waker.sleep(FOREVER, abort.signal);
  const first = await Promise.race([asleep, Promise.resolve('still asleep')]);
  expect(first).toBe('still asleep');
  abort.abort();
  await asleep;
  await waker.sleep(FOREVER, abort.signal);
});

test('a sleep ends when its time is over', async () => {
  await new Waker().sleep(1, NEVER);
});
