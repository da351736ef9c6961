/**
 * Keeps this process a member: a heartbeat with the whole record, so that a Redis that forgot it is
 * told again, on a connection of its own, so that it does not wait behind data.
 *
 * A member id is held by the first that comes. A process that finds another one under its id
 * listens for that one's heartbeats: if they go on it gives way, if not it takes over when they
 * expire.
 */
import type { Logger } from 'pino';
import type { JoinOutcome, MemberRecord } from './coordinator.ts';
import type { CoordinatorKeys } from './keys.ts';
import type { LocalView } from './local-view.ts';
import type { HeldMember } from './member-record.ts';
import type { RedisLink } from './redis/link.ts';
import { CoordinatorScripts } from './redis/scripts.ts';
import { Waker } from './redis/waker.ts';

export interface HeartbeatsOptions {
  readonly link: RedisLink;
  readonly keys: CoordinatorKeys;
  readonly view: LocalView;
  readonly logger: Logger;
  /** 8 random bytes that tell this process from any other with its member id. */
  readonly incarnation: Buffer;
  readonly heartbeatMs: number;
  readonly memberExpiryMs: number;
}

/** `waiting`: another process has the id, and it is not known yet whether it lives. */
type Attempt = JoinOutcome | { readonly kind: 'waiting' };

export class Heartbeats {
  readonly #options: HeartbeatsOptions;
  readonly #waker = new Waker();
  #beat = 0;
  #rival: HeldMember | undefined;
  #isClosed = false;
  #running: { readonly stop: AbortController; readonly ended: Promise<void> } | undefined;

  constructor(options: HeartbeatsOptions) {
    this.#options = options;
  }

  /** @returns the first outcome that is not `waiting`; unless it is a conflict, heartbeats go on */
  async join(self: MemberRecord): Promise<JoinOutcome> {
    await this.#stop();
    const stop = new AbortController();
    let outcome = await this.#try(self);
    while (outcome.kind === 'waiting') {
      if (this.#isClosed) return { kind: 'deferred' };
      await this.#waker.sleep(this.#options.heartbeatMs, stop.signal);
      outcome = await this.#try(self);
    }
    if (outcome.kind === 'conflict' || this.#isClosed) return outcome;
    this.#options.view.setSelf(self);
    const ended = (async () => {
      for (;;) {
        await this.#waker.sleep(this.#options.heartbeatMs, stop.signal);
        if (stop.signal.aborted) return;
        const attempt = await this.#try(this.#options.view.self ?? self);
        if (attempt.kind !== 'conflict') continue;
        this.#lose(attempt.other);
        return;
      }
    })();
    this.#running = { stop, ended };
    return outcome;
  }

  /** Sends the record at once. Without effect unless joined. */
  update(self: MemberRecord): void {
    if (this.#running === undefined) return;
    this.#options.view.setSelf(self);
    this.#waker.wake();
  }

  /** Stops, and removes the member if Redis answers. Without that it expires. */
  async leave(): Promise<void> {
    await this.#stop();
    const { view, link, keys, incarnation, logger } = this.#options;
    const self = view.self;
    if (self === undefined) return;
    view.setSelf(undefined);
    try {
      await link.use(async (session) =>
        new CoordinatorScripts(session, keys).leaveMember(self.memberId, incarnation),
      );
    } catch (error) {
      logger.info({ err: error }, 'could not sign off at Redis; the member will expire there');
    }
  }

  /** Ends heartbeats and leaves the member to expire. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#stop();
  }

  async #stop(): Promise<void> {
    this.#running?.stop.abort();
    await this.#running?.ended;
    this.#running = undefined;
    this.#options.link.rest();
  }

  async #try(record: MemberRecord): Promise<Attempt> {
    const { link, keys, incarnation, memberExpiryMs } = this.#options;
    const heartbeat = { incarnation, beat: this.#beat++, record };
    try {
      const outcome = await link.use(async (session) =>
        new CoordinatorScripts(session, keys).beatMember(heartbeat, memberExpiryMs),
      );
      if (outcome.kind === 'ok') {
        this.#rival = undefined;
        return { kind: 'joined' };
      }
      return this.#meet(outcome.held);
    } catch {
      // The link has reported it; the next heartbeat tries again.
      return { kind: 'deferred' };
    }
  }

  /** A process that was heard twice is alive. */
  #meet(held: HeldMember): Attempt {
    const before = this.#rival;
    this.#rival = held;
    const isAlive =
      before !== undefined &&
      before.incarnation.equals(held.incarnation) &&
      before.beat !== held.beat;
    return isAlive ? { kind: 'conflict', other: held.record } : { kind: 'waiting' };
  }

  #lose(other: MemberRecord): void {
    const { logger, view } = this.#options;
    logger.error({ other }, 'another live process has this member id; heartbeats stop');
    view.emit({ kind: 'member-conflict', other });
  }
}
