/**
 * One session for calls that may be under way at once. It is opened when needed, admitted before it
 * is used, and given up by all when it fails one of them. Unlike a `RedisLink` it tells nobody of
 * failures but its callers.
 */
import { OutriggerError } from '../../kafka/index.ts';
import { coordinatorError } from '../errors.ts';
import type { OpenSession } from './link.ts';
import type { RedisSession } from './session.ts';

/** What a session fails with that others could still be used for. */
const HARMLESS: readonly string[] = [
  'COORDINATOR_RECORD_MALFORMED',
  'COORDINATOR_RANGES_EXHAUSTED',
];

export class SharedSession {
  readonly #open: OpenSession;
  #session: Promise<RedisSession> | undefined;
  #isClosed = false;

  constructor(open: OpenSession) {
    this.#open = open;
  }

  /** @throws what `work` throws, or why Redis cannot be used */
  async use<T>(work: (session: RedisSession) => Promise<T>): Promise<T> {
    if (this.#isClosed) {
      throw coordinatorError('COORDINATOR_REDIS_UNAVAILABLE', 'The coordinator is closed.');
    }
    const session = (this.#session ??= this.#open());
    try {
      return await work(await session);
    } catch (error) {
      if (isRedisFailure(error)) this.#giveUp(session);
      throw error;
    }
  }

  /** Ends all calls under way, for good. */
  close(): void {
    this.#isClosed = true;
    if (this.#session !== undefined) this.#giveUp(this.#session);
  }

  #giveUp(session: Promise<RedisSession>): void {
    if (this.#session === session) this.#session = undefined;
    // One that could not be opened has closed itself.
    session.then(
      (opened) => opened.close(),
      () => undefined,
    );
  }
}

function isRedisFailure(error: unknown): boolean {
  if (!(error instanceof OutriggerError)) return false;
  return error.code.startsWith('COORDINATOR_') && !HARMLESS.includes(error.code);
}
