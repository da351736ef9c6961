import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { ByteThrottle } from '../../../../workers/consolidate/byte-throttle.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

test('bytes are paid for at their rate, by all who share the throttle together', async () => {
  const clock = new FakeClock();
  const throttle = new ByteThrottle(1_000);
  const { signal } = new AbortController();
  const paid: string[] = [];
  const pay = async (name: string, bytes: number): Promise<void> => {
    await throttle.pay(bytes, clock, signal);
    paid.push(name);
  };
  const all = Promise.all([pay('first', 2_000), pay('second', 1_000)]);
  await clock.advance(1_999);
  expect(paid).toEqual([]);
  await clock.advance(1);
  expect(paid).toEqual(['first']);
  await clock.advance(1_000);
  await all;
  expect(paid).toEqual(['first', 'second']);
});

test('without a limit nothing waits', async () => {
  const clock = new FakeClock();
  await new ByteThrottle(null).pay(10 ** 12, clock, new AbortController().signal);
  expect(clock.timers).toBe(0);
});

test('who is told to stop waits no longer, and leaves no timer behind', async () => {
  const clock = new FakeClock();
  const throttle = new ByteThrottle(1);
  const stop = new AbortController();
  const paying = throttle.pay(1_000_000, clock, stop.signal);
  await setImmediate();
  stop.abort(new Error('the worker stops'));
  await expect(paying).rejects.toThrow('the worker stops');
  expect(clock.timers).toBe(0);
  await expect(throttle.pay(1, clock, stop.signal)).rejects.toThrow('the worker stops');
});
