/**
 * Which of the posts that there are this worker fills: a fair share of the partition groups, and
 * the one post of the whole cluster if nobody else has it. A post is filled while its lease lasts.
 *
 * In each round the worker tells that it lives, gives up what is beyond its share, and tries for
 * what is missing; what a dead worker held is free when its leases have expired. While Redis cannot
 * be asked leases run out, posts are given up, and rounds go on until it answers again.
 */
import type { Logger } from 'pino';
import type { Lease, WorkerCoordinator, WorkerPlace } from '../../coordinator/index.ts';
import type { Clock } from '../../runtime/index.ts';

/** Several times within the expiry of a lease. */
const ROUND_MS = 2_000;
/** Between two looks whether what a post keeps in Redis is still there. */
const TEND_EVERY_ROUNDS = 5;

/** What one worker at a time does. */
export interface Post {
  /** Of its lease. */
  readonly name: string;
  /**
   * @param signal aborted when the post is given up: what runs has to end
   * @throws why it cannot be filled now; it is tried again
   */
  open(signal: AbortSignal): Promise<FilledPost>;
}

export interface FilledPost {
  /** Puts right what Redis forgot. @throws why it could not be done; it is tried again */
  tend(): Promise<void>;
  /** Called after the signal; waits for what runs. */
  close(): Promise<void>;
}

export interface HostingOptions {
  readonly coordinator: Pick<WorkerCoordinator, 'beat' | 'acquireLease'>;
  /** Shared out fairly. */
  readonly groups: readonly Post[];
  /** Filled by whoever comes first. */
  readonly cluster: Post;
  readonly clock: Pick<Clock, 'after'>;
  /** 0 to below 1. */
  readonly random: () => number;
  readonly logger: Logger;
}

interface Claim {
  readonly post: Post;
  readonly lease: Lease;
  readonly giveUp: AbortController;
  filled: FilledPost | undefined;
  isTending: boolean;
  /** When all is over and the lease is given back. */
  over: Promise<void>;
}

/** @returns how many of the groups a worker in this place is to hold */
export function fairShare(groupCount: number, { count, rank }: WorkerPlace): number {
  return Math.floor(groupCount / count) + (rank < groupCount % count ? 1 : 0);
}

export class Hosting {
  readonly #options: HostingOptions;
  readonly #claims = new Map<Post, Claim>();
  #cancelRound: () => void = () => undefined;
  #round: Promise<void> = Promise.resolve();
  #rounds = 0;
  #isClosed = false;
  #isRedisAway = false;

  constructor(options: HostingOptions) {
    this.#options = options;
  }

  /** Begins with the first round. */
  start(): void {
    this.#round = this.#runRound();
  }

  /** Names of the posts that are filled. */
  filled(): readonly string[] {
    const open = [...this.#claims.values()].filter(({ filled }) => filled !== undefined);
    return open.map(({ post }) => post.name);
  }

  /** Whether the last round could ask Redis. */
  get isRedisAway(): boolean {
    return this.#isRedisAway;
  }

  /** Gives up all posts. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelRound();
    const claims = [...this.#claims.values()];
    for (const { giveUp } of claims) giveUp.abort();
    await this.#round;
    await Promise.all([...this.#claims.values()].map(async ({ over }) => over));
  }

  async #runRound(): Promise<void> {
    try {
      const place = await this.#options.coordinator.beat();
      if (this.#isRedisAway) this.#options.logger.info('Redis is back, work goes on');
      this.#isRedisAway = false;
      await this.#takeShare(place);
    } catch (error) {
      if (!this.#isRedisAway) {
        const message = 'Redis cannot be asked: nothing is merged until it can';
        this.#options.logger.error({ err: error }, message);
      }
      this.#isRedisAway = true;
    }
    if (this.#isClosed) return;
    this.#tendAll();
    this.#cancelRound = this.#options.clock.after(ROUND_MS, () => {
      this.#round = this.#runRound();
    });
  }

  async #takeShare(place: WorkerPlace): Promise<void> {
    const { groups, cluster, random } = this.#options;
    const share = fairShare(groups.length, place);
    const held = groups.filter((post) => this.#isHeld(post));
    for (const post of held.slice(share)) this.#claims.get(post)?.giveUp.abort();
    // Workers that start at once begin at different ones.
    const first = Math.floor(random() * groups.length);
    const inTurn = [...groups.slice(first), ...groups.slice(0, first)];
    const free = inTurn.filter((post) => !this.#claims.has(post));
    let missing = share - held.length;
    for (const post of free) {
      if (missing <= 0) break;
      if (await this.#claim(post)) missing--;
    }
    if (!this.#claims.has(cluster)) await this.#claim(cluster);
  }

  #isHeld(post: Post): boolean {
    return this.#claims.get(post)?.giveUp.signal.aborted === false;
  }

  async #claim(post: Post): Promise<boolean> {
    if (this.#isClosed) return false;
    const lease = await this.#options.coordinator.acquireLease(post.name);
    if (lease === undefined) return false;
    const giveUp = new AbortController();
    const claim: Claim = {
      post,
      lease,
      giveUp,
      filled: undefined,
      isTending: false,
      over: Promise.resolve(),
    };
    claim.over = this.#fill(claim);
    this.#claims.set(post, claim);
    // Closed meanwhile.
    if (this.#isClosed) giveUp.abort();
    return true;
  }

  /** From the lease to its end. */
  async #fill(claim: Claim): Promise<void> {
    const { post, lease, giveUp } = claim;
    const logger = this.#options.logger.child({ post: post.name });
    const onLost = (): void => giveUp.abort();
    lease.lost.addEventListener('abort', onLost, { once: true });
    if (lease.lost.aborted) onLost();
    const over = new Promise<void>((resolve) => {
      const { signal } = giveUp;
      if (signal.aborted) resolve();
      else signal.addEventListener('abort', () => resolve(), { once: true });
    });
    try {
      claim.filled = await post.open(giveUp.signal);
      logger.info('taken');
      this.#tend(claim);
      await over;
      await claim.filled.close();
      logger.info({ lost: lease.lost.aborted }, 'given up');
    } catch (error) {
      giveUp.abort();
      logger.error({ err: error }, 'cannot be looked after for now');
    }
    lease.lost.removeEventListener('abort', onLost);
    await lease.release();
    this.#claims.delete(post);
  }

  #tendAll(): void {
    this.#rounds++;
    if (this.#isRedisAway || this.#rounds % TEND_EVERY_ROUNDS !== 0) return;
    for (const claim of this.#claims.values()) this.#tend(claim);
  }

  #tend(claim: Claim): void {
    if (claim.filled === undefined || claim.isTending || claim.giveUp.signal.aborted) return;
    claim.isTending = true;
    claim.filled
      .tend()
      .catch((error: unknown) => {
        this.#options.logger.warn({ err: error, post: claim.post.name }, 'not tended to for now');
      })
      .finally(() => {
        claim.isTending = false;
      });
  }
}
