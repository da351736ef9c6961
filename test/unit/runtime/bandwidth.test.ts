import { expect, test } from 'vitest';
import { Bandwidth } from '../../../runtime/index.ts';
import { FakeClock } from '../../support/fake-clock.ts';

test('bytes go out at the given rate, in the order of asking', async () => {
  const clock = new FakeClock();
  const bandwidth = new Bandwidth(1_000, clock);
  const done: string[] = [];
  const take = async (name: string, bytes: number): Promise<void> => {
    await bandwidth.take(bytes);
    done.push(`${name} at ${clock.monotonicMs()}`);
  };
  const all = [take('a', 500), take('b', 250), take('c', 1_000), take('d', 1)];
  await clock.advance(10_000);
  await Promise.all(all);
  expect(done).toEqual(['a at 0', 'b at 500', 'c at 750', 'd at 1750']);
});

test('an idle line saves nothing up', async () => {
  const clock = new FakeClock();
  const bandwidth = new Bandwidth(1_000, clock);
  await bandwidth.take(100);
  await clock.advance(60_000);
  const startedMs = clock.monotonicMs();
  await bandwidth.take(2_000);
  const waiting = bandwidth.take(1);
  expect(clock.timers).toBe(1);
  await clock.advance(2_000);
  await waiting;
  expect(clock.monotonicMs() - startedMs).toBe(2_000);
});

test('who is told to end waits no longer', async () => {
  const clock = new FakeClock();
  const bandwidth = new Bandwidth(1, clock);
  await bandwidth.take(1_000);
  const stop = new AbortController();
  const waiting = bandwidth.take(1, stop.signal);
  stop.abort();
  await waiting;
  expect(clock.timers).toBe(0);
});

test('without a limit nobody waits', async () => {
  const clock = new FakeClock();
  const bandwidth = new Bandwidth(null, clock);
  await bandwidth.take(1e12);
  await bandwidth.take(1e12);
  expect(clock.timers).toBe(0);
});
