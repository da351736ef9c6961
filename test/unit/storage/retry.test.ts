import { expect, test } from 'vitest';
import { storageError } from '../../../storage/errors.ts';
import { DeadlineError, pause, retry, withDeadline } from '../../../storage/retry.ts';

function failing(retriable: boolean): Error {
  return storageError('STORAGE_UNAVAILABLE', 'made to fail', { retriable });
}

test('pauses grow, are random, and never pass their maximum', async () => {
  const pauses: number[] = [];
  const dependencies = {
    random: () => Buffer.from([0x80, 0, 0, 0]),
    pause: async (ms: number) => void pauses.push(ms),
  };
  let attempts = 0;
  const attempt = async (): Promise<never> => {
    attempts += 1;
    throw failing(true);
  };
  await expect(retry(9, dependencies, undefined, attempt)).rejects.toThrow('made to fail');
  expect(attempts).toBe(9);
  expect(pauses).toEqual([25, 50, 100, 200, 400, 800, 1000, 1000]);
});

test('what is not retriable, or not ours, is not repeated', async () => {
  const dependencies = { random: () => Buffer.alloc(4), pause: async () => undefined };
  for (const error of [failing(false), new Error('a bug')]) {
    let attempts = 0;
    const attempt = async (): Promise<never> => {
      attempts += 1;
      throw error;
    };
    await expect(retry(5, dependencies, undefined, attempt)).rejects.toBe(error);
    expect(attempts).toBe(1);
  }
});

test('a deadline ends work that does not heed its signal, and tells work that does', async () => {
  let told: AbortSignal | undefined;
  const work = async (signal: AbortSignal): Promise<never> => {
    told = signal;
    return await new Promise(() => undefined);
  };
  await expect(withDeadline(1, undefined, work)).rejects.toBeInstanceOf(DeadlineError);
  expect(told?.aborted).toBe(true);
});

test('a caller that gives up ends the work and the pause', async () => {
  const controller = new AbortController();
  const reason = new Error('enough');
  const work = async (): Promise<never> => {
    controller.abort(reason);
    return await new Promise(() => undefined);
  };
  await expect(withDeadline(60_000, controller.signal, work)).rejects.toBe(reason);
  await expect(withDeadline(60_000, controller.signal, work)).rejects.toBe(reason);
  await pause(60_000, controller.signal);
  const later = new AbortController();
  const paused = pause(60_000, later.signal);
  later.abort();
  await paused;
});
