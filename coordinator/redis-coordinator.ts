/**
 * The coordinator with Redis. It puts the parts together: heartbeats, announcements and the change
 * stream have a connection each, so that none waits behind another; all share one local view, which
 * answers every question, and none of which can make a caller wait.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import type { Logger } from 'pino';
import type { TopicRecord } from '../storage/index.ts';
import { Announcements } from './announcements.ts';
import { Announcer } from './announcer.ts';
import { ChangeFollower } from './change-follower.ts';
import type {
  Coordinator,
  CoordinatorListener,
  CoordinatorStatus,
  FileAnnouncement,
  JoinOutcome,
  MemberRecord,
} from './coordinator.ts';
import { Heartbeats } from './heartbeats.ts';
import { coordinatorKeys } from './keys.ts';
import { LocalView } from './local-view.ts';
import { checkMemberId } from './member-id.ts';
import { INCARNATION_BYTES } from './member-record.ts';
import { openAdmitted } from './redis/admission.ts';
import { Backoff } from './redis/backoff.ts';
import type { RedisEndpoint } from './redis/endpoint.ts';
import { type OpenSession, RedisLink } from './redis/link.ts';
import { asRefusal, Outage } from './redis/outage.ts';
import { Waker } from './redis/waker.ts';
import { SettledRanges, type SettledRangeClaims } from './settled-ranges.ts';
import { TopicCopy, type TopicSource } from './topic-copy.ts';
import { type CoordinatorTuning, DEFAULT_TUNING } from './tuning.ts';

export interface RedisCoordinatorOptions {
  readonly endpoint: RedisEndpoint;
  /** Tells several Kafka clusters on one Redis apart. */
  readonly namespace: string;
  /** The Kafka cluster's id. */
  readonly clusterId: string;
  /** The topic records in the bucket. */
  readonly topicSource: TopicSource;
  readonly settledRangeClaims: SettledRangeClaims;
  readonly logger: Logger;
  readonly tuning?: Partial<CoordinatorTuning>;
  readonly wallMs?: () => number;
  /** Milliseconds that never go back. */
  readonly monotonicMs?: () => number;
  /** 0 to below 1. */
  readonly random?: () => number;
  /** Tells this process from any other: 8 random bytes. */
  readonly incarnation?: Buffer;
}

export class RedisCoordinator implements Coordinator {
  readonly #tuning: CoordinatorTuning;
  readonly #logger: Logger;
  readonly #outage: Outage;
  readonly #view: LocalView;
  readonly #announcements: Announcements;
  readonly #announcer: Announcer;
  readonly #heartbeats: Heartbeats;
  readonly #follower: ChangeFollower;
  readonly #topicCopy: TopicCopy;
  readonly #links: readonly RedisLink[];
  readonly #stopping = new AbortController();
  #resolveFirstAttempt: (error: unknown) => void = () => undefined;
  /** Resolves with why the first attempt failed, or undefined. */
  readonly #firstAttempt = new Promise<unknown>((resolve) => {
    this.#resolveFirstAttempt = resolve;
  });
  #following: Promise<void> = Promise.resolve();
  #announcing: Promise<void> = Promise.resolve();

  private constructor(options: RedisCoordinatorOptions) {
    const tuning = { ...DEFAULT_TUNING, ...options.tuning };
    assert(tuning.memberExpiryMs >= 3 * tuning.heartbeatMs, 'one late heartbeat kills nobody');
    const { endpoint, namespace, clusterId, logger, topicSource } = options;
    const incarnation = options.incarnation ?? randomBytes(INCARNATION_BYTES);
    const random = options.random ?? Math.random;
    const monotonicMs = options.monotonicMs ?? (() => performance.now());
    const keys = coordinatorKeys(namespace, clusterId);
    const openSession: OpenSession = async () =>
      openAdmitted(endpoint, tuning.commandTimeoutMs, keys.owner, clusterId);
    const outage = new Outage(logger, options.wallMs ?? (() => Date.now()));
    const heartbeatLink = new RedisLink('heartbeats', openSession, outage);
    const announcementLink = new RedisLink('announcements', openSession, outage);
    const changeLink = new RedisLink('changes', openSession, outage);
    const view = new LocalView({ logger, monotonicMs });
    const announcements = new Announcements(
      {
        filesMax: tuning.filesBufferedMax,
        fileBytesMax: tuning.fileBytesBufferedMax,
        topicsMax: tuning.topicsBufferedMax,
      },
      logger,
    );
    const shared = { keys, view, logger };
    this.#tuning = tuning;
    this.#logger = logger;
    this.#outage = outage;
    this.#view = view;
    this.#announcements = announcements;
    this.#links = [heartbeatLink, announcementLink, changeLink];
    this.#heartbeats = new Heartbeats({ ...shared, ...tuning, link: heartbeatLink, incarnation });
    this.#announcer = new Announcer({
      ...shared,
      link: announcementLink,
      announcements,
      ranges: new SettledRanges(options.settledRangeClaims, logger),
      backoff: new Backoff(random),
      filesKeptMax: tuning.filesKeptMax,
    });
    this.#topicCopy = new TopicCopy({
      ...shared,
      openSession,
      source: topicSource,
      holder: incarnation.toString('hex'),
      leaseMs: tuning.topicLeaseMs,
      validMs: tuning.topicsValidMs,
    });
    this.#follower = new ChangeFollower({
      ...shared,
      link: changeLink,
      announcements,
      topicCopy: this.#topicCopy,
      backoff: new Backoff(random),
      monotonicMs,
      blockMs: tuning.changesBlockMs,
      memberExpiryMs: tuning.memberExpiryMs,
      onForgotten: () => {
        announcements.tellAgain();
        this.#announcer.wake();
      },
      onRefresh: (error) => this.#resolveFirstAttempt(error),
    });
  }

  /**
   * Connects, and reads members and topics. A Redis that cannot be reached does not fail the start:
   * the coordinator then knows the topics in the bucket and connects later.
   *
   * @throws `COORDINATOR_REDIS_VERSION`, `COORDINATOR_REDIS_POLICY`, `COORDINATOR_FOREIGN_REDIS`
   */
  static async start(options: RedisCoordinatorOptions): Promise<RedisCoordinator> {
    const coordinator = new RedisCoordinator(options);
    await coordinator.#start();
    return coordinator;
  }

  async #start(): Promise<void> {
    const { startTimeoutMs } = this.#tuning;
    this.#following = this.#follower.run(this.#stopping.signal);
    this.#announcing = this.#announcer.run(this.#stopping.signal);
    const error = await this.#within(startTimeoutMs, this.#firstAttempt);
    if (asRefusal(error) !== undefined) {
      await this.close();
      throw error;
    }
    await this.#within(startTimeoutMs, this.#topicCopy.known);
    if (!this.#topicCopy.isKnown) {
      this.#logger.warn('topics are not known yet; new batches stay in the brokers until they are');
    }
  }

  async join(self: MemberRecord): Promise<JoinOutcome> {
    checkMemberId(self.memberId);
    return this.#heartbeats.join(self);
  }

  update(self: MemberRecord): void {
    this.#heartbeats.update(self);
  }

  async leave(): Promise<void> {
    await this.#heartbeats.leave();
  }

  members(): readonly MemberRecord[] {
    return this.#view.members();
  }

  announceFile(file: FileAnnouncement): void {
    this.#announcements.addFile(file);
    this.#announcer.wake();
  }

  settleFile(fileId: bigint): void {
    this.#announcements.settleFile(fileId);
    this.#announcer.wake();
  }

  publishTopic(record: TopicRecord): void {
    this.#view.putTopic(record);
    this.#announcements.addTopic(record.topicId, record);
    this.#announcer.wake();
  }

  removeTopic(topicId: string): void {
    this.#view.removeTopic(topicId);
    this.#announcements.addTopic(topicId, undefined);
    this.#announcer.wake();
  }

  topics(): ReadonlyMap<string, TopicRecord> {
    return this.#view.topics();
  }

  subscribe(listener: CoordinatorListener): () => void {
    return this.#view.subscribe(listener);
  }

  status(): CoordinatorStatus {
    return {
      mode: 'redis',
      connected: this.#outage.connected,
      lastContactMs: this.#outage.lastContactMs,
      refusal: this.#outage.refusal,
      bufferedCount: this.#announcements.bufferedCount,
      bufferedBytes: this.#announcements.bufferedBytes,
      droppedCount: this.#announcements.droppedCount,
    };
  }

  async close(): Promise<void> {
    this.#announcer.drain();
    await this.#within(this.#tuning.commandTimeoutMs, this.#announcing);
    this.#stopping.abort();
    for (const link of this.#links) link.close();
    await Promise.all([this.#heartbeats.close(), this.#following, this.#announcing]);
  }

  /** @returns what the promise resolves with, undefined if the time is over before */
  async #within<T>(ms: number, promise: Promise<T>): Promise<T | undefined> {
    const done = new AbortController();
    try {
      const timeOver = new Waker().sleep(ms, done.signal).then(() => undefined);
      return await Promise.race([promise, timeOver]);
    } finally {
      done.abort();
    }
  }
}
