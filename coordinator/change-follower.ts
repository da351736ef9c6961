/**
 * Follows the change stream on a connection of its own, and keeps the local view up to date. What
 * it may have missed it makes up for by reading everything again: after a new connection, a gap in
 * the numbers of the changes, or another replication id of Redis.
 */
import type { Logger } from 'pino';
import { parseTopicRecord, type TopicRecord } from '../storage/index.ts';
import type { Announcements } from './announcements.ts';
import { type Change, parseChange } from './change-record.ts';
import type { MemberRecord } from './coordinator.ts';
import type { CoordinatorKeys } from './keys.ts';
import type { LocalView } from './local-view.ts';
import { parseHeldMember } from './member-record.ts';
import { malformed } from './packing.ts';
import type { Backoff } from './redis/backoff.ts';
import type { RedisLink } from './redis/link.ts';
import { readHash } from './redis/read-hash.ts';
import { CoordinatorScripts, type RedisState } from './redis/scripts.ts';
import type { RedisSession } from './redis/session.ts';
import { Waker } from './redis/waker.ts';
import type { TopicCopy } from './topic-copy.ts';

/** The most changes that are read at once. */
const CHANGES_PER_READ = 256;
/** A topic in Redis is its version as a double, for the script, and the record. */
const TOPIC_VERSION_BYTES = 8;

export interface ChangeFollowerOptions {
  readonly link: RedisLink;
  readonly keys: CoordinatorKeys;
  readonly view: LocalView;
  readonly announcements: Announcements;
  readonly topicCopy: TopicCopy;
  readonly backoff: Backoff;
  readonly logger: Logger;
  readonly monotonicMs: () => number;
  /** How long one read waits for changes; also how often Redis' state is looked at. */
  readonly blockMs: number;
  /** How long members are kept that Redis may have forgotten. */
  readonly memberExpiryMs: number;
  /** Called when Redis may have forgotten what it was told. */
  readonly onForgotten: () => void;
  /** Called after each attempt to read everything: with the error, or undefined. */
  readonly onRefresh: (error: unknown) => void;
}

export class ChangeFollower {
  readonly #options: ChangeFollowerOptions;
  #replicationId: string | undefined;
  /** The number of the last change that the view has. */
  #position = 0;

  constructor(options: ChangeFollowerOptions) {
    this.#options = options;
  }

  /** Follows until aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { link, backoff, onRefresh, topicCopy, view, logger } = this.#options;
    while (!signal.aborted) {
      try {
        await link.use(async (session) => this.#follow(session, signal));
      } catch (error) {
        if (signal.aborted) return;
        onRefresh(error);
        logger.debug({ err: error }, 'the change stream was lost');
        view.expireGrace();
        if (!topicCopy.isKnown) void topicCopy.readBucket();
        await new Waker().sleep(backoff.nextMs(), signal);
      }
    }
  }

  /** @returns when something was missed: to be called again */
  async #follow(session: RedisSession, signal: AbortSignal): Promise<void> {
    const { link, backoff, blockMs, monotonicMs, view, onRefresh, keys } = this.#options;
    const scripts = new CoordinatorScripts(session, keys);
    await this.#refresh(session, scripts);
    backoff.reset();
    onRefresh(undefined);
    let lookedMs = monotonicMs();
    while (!signal.aborted) {
      link.succeeded();
      const changes = await this.#read(session, blockMs);
      if (!(await this.#apply(session, changes))) return;
      view.expireGrace();
      if (changes.length > 0 && monotonicMs() - lookedMs < blockMs) continue;
      lookedMs = monotonicMs();
      const state = await scripts.readState();
      if (await this.#hasMissed(session, state)) return;
      if (!state.topicsLoaded) void this.#options.topicCopy.fill();
    }
  }

  /** Reads everything. The position is taken first: what changes meanwhile is applied again. */
  async #refresh(session: RedisSession, scripts: CoordinatorScripts): Promise<void> {
    const { view, keys, memberExpiryMs, topicCopy, onForgotten } = this.#options;
    const state = await scripts.readState();
    const forgot = this.#replicationId !== undefined && this.#replicationId !== state.replicationId;
    const members = this.#parseAll<MemberRecord>(
      await readHash(session, keys.members),
      (value) => parseHeldMember(value).record,
    );
    view.replaceMembers(members, forgot ? memberExpiryMs : 0);
    await this.#readTopics(session, state.topicsLoaded);
    this.#position = state.changeCount;
    this.#replicationId = state.replicationId;
    if (forgot) onForgotten();
    if (!state.topicsLoaded) void topicCopy.fill();
    view.emit({ kind: 'refreshed' });
  }

  /** @param areComplete whether a topic that is not in Redis does not exist */
  async #readTopics(session: RedisSession, areComplete: boolean): Promise<void> {
    const { view, keys, announcements, topicCopy } = this.#options;
    const topics = this.#parseAll<TopicRecord>(await readHash(session, keys.topics), (value) =>
      parseTopicRecord(value.subarray(TOPIC_VERSION_BYTES), `the hash ${keys.topics}`),
    ).filter(({ topicId }) => !announcements.isTopicPending(topicId));
    if (!areComplete) {
      view.mergeTopics(topics);
      return;
    }
    view.mergeTopics(topics, (topicId) => announcements.isTopicPending(topicId));
    topicCopy.markKnown();
  }

  /** One value that a newer version wrote, or that is damaged, must not hide the others. */
  #parseAll<T>(fields: ReadonlyMap<string, Buffer>, parse: (value: Buffer) => T): T[] {
    const records: T[] = [];
    for (const [field, value] of fields) {
      try {
        records.push(parse(value));
      } catch (error) {
        this.#options.logger.error({ err: error, field }, 'a record in Redis is left out');
      }
    }
    return records;
  }

  async #read(session: RedisSession, blockMs: number): Promise<NumberedChange[]> {
    const { changes } = this.#options.keys;
    const block = blockMs > 0 ? ['BLOCK', blockMs] : [];
    const from = ['STREAMS', changes, `${this.#position}-0`];
    const args = ['COUNT', CHANGES_PER_READ, ...block, ...from];
    return parseEntries(await session.call('XREAD', args, blockMs));
  }

  /** @returns false if the changes do not follow the last one known */
  async #apply(session: RedisSession, changes: readonly NumberedChange[]): Promise<boolean> {
    for (const { number, packed } of changes) {
      if (number !== this.#position + 1) return false;
      this.#position = number;
      await this.#applyOne(session, parseChange(packed));
    }
    return true;
  }

  async #applyOne(session: RedisSession, change: Change): Promise<void> {
    const { view, announcements, logger } = this.#options;
    switch (change.kind) {
      case 'member':
        if (change.record.memberId !== view.self?.memberId) view.putMember(change.record);
        return;
      case 'member-gone':
        // Heartbeats bring this member back if it is the one that is gone.
        if (change.memberId !== view.self?.memberId) view.removeMember(change.memberId);
        return;
      case 'topic':
        if (!announcements.isTopicPending(change.record.topicId)) view.putTopic(change.record);
        return;
      case 'topic-gone':
        view.removeTopic(change.topicId);
        return;
      case 'file':
        if (change.file.memberId === view.self?.memberId) return;
        view.emit({ kind: 'file-announced', file: change.file });
        return;
      case 'topics-loaded':
        await this.#readTopics(session, true);
        view.emit({ kind: 'refreshed' });
        return;
      case 'group':
        view.emit({ kind: 'group-moved', group: change.group });
        return;
      case 'unknown':
        logger.debug({ code: change.code }, 'a change of a kind that this version does not know');
    }
  }

  /** A trimmed or restored stream leaves numbers that no read returns. */
  async #hasMissed(session: RedisSession, state: RedisState): Promise<boolean> {
    if (state.replicationId !== this.#replicationId) return true;
    if (state.changeCount < this.#position) return true;
    if (state.changeCount === this.#position) return false;
    const changes = await this.#read(session, 0);
    return changes.length === 0 || !(await this.#apply(session, changes));
  }
}

interface NumberedChange {
  readonly number: number;
  readonly packed: Buffer;
}

/** @param reply `[[stream, [[id, [field, value]]…]]]`, or null when nothing came in time */
function parseEntries(reply: unknown): NumberedChange[] {
  if (reply === null) return [];
  const streams: unknown = Array.isArray(reply) ? reply[0] : undefined;
  const entries: unknown = Array.isArray(streams) ? streams[1] : undefined;
  if (!Array.isArray(entries)) throw malformed('a reply to XREAD');
  return entries.map((entry: unknown) => {
    const [id, fields]: unknown[] = Array.isArray(entry) ? entry : [];
    const packed: unknown = Array.isArray(fields) ? fields[1] : undefined;
    if (!Buffer.isBuffer(id) || !Buffer.isBuffer(packed)) throw malformed('a change');
    return { number: Number.parseInt(id.toString('latin1'), 10), packed };
  });
}
