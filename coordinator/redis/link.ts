/**
 * What one part of the coordinator has of Redis: a session that is opened when needed, admitted
 * before it is used, and given up after a failure. Success and failure are reported to `Outage`.
 */
import { OutriggerError } from '../../kafka/index.ts';
import { coordinatorError } from '../errors.ts';
import type { Outage, RedisPart } from './outage.ts';
import type { RedisSession } from './session.ts';

/** Opens a session to a Redis that may be used. */
export type OpenSession = () => Promise<RedisSession>;

export class RedisLink {
  readonly #part: RedisPart;
  readonly #open: OpenSession;
  readonly #outage: Outage;
  #session: RedisSession | undefined;
  #closed = false;

  constructor(part: RedisPart, open: OpenSession, outage: Outage) {
    this.#part = part;
    this.#open = open;
    this.#outage = outage;
  }

  /**
   * Lets `work` use the session, and gives it up if Redis fails it. One use at a time.
   *
   * @throws what `work` throws, or why Redis cannot be used
   */
  async use<T>(work: (session: RedisSession) => Promise<T>): Promise<T> {
    try {
      this.#session ??= await this.#open();
      if (this.#closed) {
        throw coordinatorError('COORDINATOR_REDIS_UNAVAILABLE', 'The coordinator is closed.');
      }
      const result = await work(this.#session);
      this.succeeded();
      return result;
    } catch (error) {
      if (this.#closed || isCoordinatorError(error)) this.#hangUp();
      if (!this.#closed && isCoordinatorError(error)) this.#outage.failed(this.#part, error);
      throw error;
    }
  }

  /** Tells of a success before `work` is over, when it goes on for long. */
  succeeded(): void {
    this.#outage.succeeded(this.#part);
  }

  /** There is nothing to ask for now, so what failed before no longer counts. */
  rest(): void {
    this.#outage.withdrawn(this.#part);
  }

  /** Ends what is under way, for good. */
  close(): void {
    this.#closed = true;
    this.#hangUp();
  }

  #hangUp(): void {
    this.#session?.close();
    this.#session = undefined;
  }
}

/** Others are not Redis' fault: the bucket's, say, in a work that asks both. */
function isCoordinatorError(error: unknown): boolean {
  return error instanceof OutriggerError && error.code.startsWith('COORDINATOR_');
}
