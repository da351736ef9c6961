/**
 * Repeats a call to a remote store, and ends an attempt at its deadline. It owns time spent waiting
 * and nothing else: what may be repeated is said by the errors' `retriable`, and the whole is
 * bounded by a number of attempts and by the caller's signal.
 */
import { OutriggerError } from '../kafka/index.ts';

export interface RetryDependencies {
  /** That many random bytes. */
  readonly random: (byteCount: number) => Buffer;
  /** Waits that long, or until the signal fires; never rejects. */
  readonly pause: (ms: number, signal: AbortSignal | undefined) => Promise<void>;
}

const DELAY_MS_FIRST = 50;
const DELAY_MS_MAX = 2_000;

/** Why an attempt ended that took too long. */
export class DeadlineError extends Error {}

/**
 * @param attemptsMax attempts in all, at least 1
 * @param signal ends the pauses; ending an attempt is up to the attempt
 * @param attempt fails with an `OutriggerError` whose `retriable` says whether it may be repeated
 * @returns what the first successful attempt returned
 * @throws the last attempt's error
 */
export async function retry<Result>(
  attemptsMax: number,
  { random, pause }: RetryDependencies,
  signal: AbortSignal | undefined,
  attempt: () => Promise<Result>,
): Promise<Result> {
  for (let attempts = 1; ; attempts++) {
    try {
      return await attempt();
    } catch (error) {
      const retriable = error instanceof OutriggerError && error.retriable;
      if (!retriable || attempts >= attemptsMax) throw error;
    }
    const delayMs = Math.min(DELAY_MS_MAX, DELAY_MS_FIRST * 2 ** (attempts - 1));
    const jitter = random(4).readUInt32BE() / 2 ** 32;
    await pause(delayMs * jitter, signal);
  }
}

/**
 * Ends with the deadline or the caller's signal even if the work does not heed its own.
 *
 * @throws `DeadlineError`, the caller's reason, or what the work throws
 */
export async function withDeadline<Result>(
  timeoutMs: number,
  signal: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  signal?.throwIfAborted();
  const controller = new AbortController();
  const ended = new Promise<never>((_resolve, reject) => {
    controller.signal.addEventListener('abort', () => reject(controller.signal.reason));
  });
  const onAbort = (): void => controller.abort(signal?.reason);
  const onTimeout = (): void => {
    controller.abort(new DeadlineError(`no answer within ${timeoutMs} ms`));
  };
  signal?.addEventListener('abort', onAbort, { once: true });
  const timer = setTimeout(onTimeout, timeoutMs);
  try {
    return await Promise.race([work(controller.signal), ended]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  }
}

/** The pause of a running process. */
export async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  if (signal?.aborted === true) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener('abort', done, { once: true });
  });
}
