/**
 * Sends announcements to Redis, several at a time and oldest first, until each was understood. A
 * repeated one does no harm, so whatever was cut off is sent again.
 */
import type { Logger } from 'pino';
import { OutriggerError } from '../kafka/index.ts';
import type { Announcements, PendingFile, PendingTopic } from './announcements.ts';
import type { CoordinatorKeys } from './keys.ts';
import type { Backoff } from './redis/backoff.ts';
import type { RedisLink } from './redis/link.ts';
import { CoordinatorScripts } from './redis/scripts.ts';
import type { RedisSession } from './redis/session.ts';
import { Waker } from './redis/waker.ts';
import type { SettledRanges } from './settled-ranges.ts';

/** How many are under way at once. */
const WINDOW = 64;
/** Redis may forget the file, or the range, again between two steps; then the file waits. */
const SETTLE_STEPS_MAX = 4;
/** After so many refusals, while others are taken, an announcement is given up. */
const REFUSALS_MAX = 5;

export interface AnnouncerOptions {
  readonly link: RedisLink;
  readonly keys: CoordinatorKeys;
  readonly announcements: Announcements;
  readonly ranges: SettledRanges;
  readonly backoff: Backoff;
  readonly logger: Logger;
  /** The most files that Redis keeps. */
  readonly filesKeptMax: number;
}

/** One announcement under way. */
interface Attempt {
  readonly subject: PendingFile | PendingTopic;
  readonly done: Promise<void>;
  readonly giveUp: () => void;
}

export class Announcer {
  readonly #options: AnnouncerOptions;
  readonly #waker = new Waker();
  readonly #refusals = new WeakMap<PendingFile | PendingTopic, number>();
  #isDraining = false;
  #isStoreFailing = false;

  constructor(options: AnnouncerOptions) {
    this.#options = options;
  }

  /** There is something to tell. */
  wake(): void {
    this.#waker.wake();
  }

  /** Sends until aborted, or, once `drain` was called, until nothing is left. */
  async run(signal: AbortSignal): Promise<void> {
    const { announcements, link, backoff } = this.#options;
    while (!signal.aborted) {
      const files = announcements.filesDue(WINDOW);
      const topics = announcements.topicsDue(WINDOW);
      if (files.length + topics.length === 0) {
        link.rest();
        if (this.#isDraining) return;
        await this.#waker.sleep(undefined, signal);
        continue;
      }
      try {
        await link.use(async (session) => this.#tell(session, files, topics));
        backoff.reset();
        this.#isStoreFailing = false;
      } catch (error) {
        this.#report(error);
        await new Waker().sleep(backoff.nextMs(), signal);
      }
    }
  }

  /** Lets `run` end when nothing is left. */
  drain(): void {
    this.#isDraining = true;
    this.#waker.wake();
  }

  async #tell(
    session: RedisSession,
    files: readonly PendingFile[],
    topics: readonly PendingTopic[],
  ): Promise<void> {
    const { announcements, keys } = this.#options;
    const scripts = new CoordinatorScripts(session, keys);
    if (announcements.takeTopicsDropped()) await session.call('DEL', [keys.topicsLoaded]);
    const attempts: readonly Attempt[] = [
      ...topics.map((topic) => ({
        subject: topic,
        done: this.#tellTopic(scripts, topic),
        giveUp: () => announcements.dropTopic(topic),
      })),
      ...files.map((file) => ({
        subject: file,
        done: this.#tellFile(scripts, file),
        giveUp: () => announcements.dropFile(file),
      })),
    ];
    const results = await Promise.allSettled(attempts.map(async ({ done }) => done));
    const reasons: unknown[] = results
      .filter((result) => result.status === 'rejected')
      .map((result) => result.reason);
    if (reasons.length === 0) return;
    if (reasons.length < results.length) this.#countRefusals(attempts, results);
    throw reasons.find(isRedisError) ?? reasons[0];
  }

  async #tellTopic(scripts: CoordinatorScripts, topic: PendingTopic): Promise<void> {
    if (topic.record === undefined) await scripts.removeTopic(topic.topicId);
    else await scripts.putTopic(topic.record);
    this.#options.announcements.topicTold(topic);
  }

  async #tellFile(scripts: CoordinatorScripts, file: PendingFile): Promise<void> {
    const { announcements, filesKeptMax } = this.#options;
    if (!file.isAnnounced && file.packed !== undefined) {
      if (!(await scripts.announceFile(file.packed, filesKeptMax))) {
        announcements.dropFile(file);
        return;
      }
      file.isAnnounced = true;
    }
    // It may have been settled while it was being announced.
    if (file.isSettled && !(await this.#settle(scripts, file))) announcements.dropFile(file);
    else announcements.fileTold(file);
  }

  /** @returns false if Redis does not know the file and cannot be told of it */
  async #settle(scripts: CoordinatorScripts, file: PendingFile): Promise<boolean> {
    const { filesKeptMax, ranges } = this.#options;
    for (let step = 0; step < SETTLE_STEPS_MAX; step++) {
      const outcome = await scripts.settleFile(file.fileId);
      if (outcome.kind === 'settled') return true;
      if (outcome.kind === 'stale') {
        await ranges.raise(scripts, outcome.lastNumber);
        continue;
      }
      if (file.packed === undefined) return false;
      if (!(await scripts.announceFile(file.packed, filesKeptMax))) return false;
    }
    return false;
  }

  /** One announcement that Redis refuses must not hold up all others for ever. */
  #countRefusals(
    attempts: readonly Attempt[],
    results: readonly PromiseSettledResult<void>[],
  ): void {
    for (const [index, { subject, giveUp }] of attempts.entries()) {
      const result = results[index];
      if (result?.status !== 'rejected' || !isRefused(result.reason)) continue;
      const count = (this.#refusals.get(subject) ?? 0) + 1;
      this.#refusals.set(subject, count);
      if (count >= REFUSALS_MAX) giveUp();
    }
  }

  #report(error: unknown): void {
    // The link has told of what Redis did.
    if (isRedisError(error)) return;
    if (this.#isStoreFailing) return;
    this.#isStoreFailing = true;
    this.#options.logger.warn(
      { err: error },
      'files cannot be settled, because no settled range can be claimed in the bucket',
    );
  }
}

function isRedisError(error: unknown): boolean {
  return error instanceof OutriggerError && error.code.startsWith('COORDINATOR_');
}

function isRefused(error: unknown): boolean {
  return error instanceof OutriggerError && error.details['refused'] === true;
}
