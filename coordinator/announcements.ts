/**
 * What waits to be told to Redis, bounded. A file is told of once when it is in the bucket and once
 * when it is settled, in this order; in between its record is kept, because a Redis that forgot it
 * must be told again before it can count the settlement. Of a topic only the latest state waits.
 *
 * Whatever is dropped is in the bucket all the same: a file then counts as never settled, and
 * topics are copied from the bucket again. This module only remembers; `announcer.ts` sends.
 */
import type { Logger } from 'pino';
import type { TopicRecord } from '../storage/index.ts';
import type { FileAnnouncement } from './coordinator.ts';
import { packFile, type PackedFile } from './file-record.ts';

export interface AnnouncementLimits {
  /** Files that wait to be told or to be settled. */
  readonly filesMax: number;
  /** Packed bytes of these. */
  readonly fileBytesMax: number;
  readonly topicsMax: number;
}

/** A file, and what is left to tell of it. */
export interface PendingFile {
  readonly fileId: bigint;
  /** Undefined when it was dropped before the file was settled. */
  readonly packed: PackedFile | undefined;
  isAnnounced: boolean;
  isSettled: boolean;
}

/** A topic's latest record; undefined if it is removed. */
export interface PendingTopic {
  readonly topicId: string;
  readonly record: TopicRecord | undefined;
}

export class Announcements {
  readonly #limits: AnnouncementLimits;
  readonly #logger: Logger;
  /** Oldest first: there is something to tell of these. */
  readonly #files = new Map<bigint, PendingFile>();
  /** Oldest first: told, and not settled. */
  readonly #unsettled = new Map<bigint, PendingFile>();
  readonly #topics = new Map<string, PendingTopic>();
  #fileBytes = 0;
  #droppedCount = 0;
  #topicsWereDropped = false;

  constructor(limits: AnnouncementLimits, logger: Logger) {
    this.#limits = limits;
    this.#logger = logger;
  }

  get bufferedCount(): number {
    return this.#files.size + this.#topics.size;
  }

  /** Packed files that wait to be told or to be settled. */
  get bufferedBytes(): number {
    return this.#fileBytes;
  }

  get droppedCount(): number {
    return this.#droppedCount;
  }

  addFile(file: FileAnnouncement): void {
    const { fileId } = file;
    if (this.#files.has(fileId) || this.#unsettled.has(fileId)) return;
    const packed = packFile(file);
    this.#files.set(fileId, { fileId, packed, isAnnounced: false, isSettled: false });
    this.#fileBytes += byteCount(packed);
    this.#shrink();
  }

  settleFile(fileId: bigint): void {
    const pending = this.#files.get(fileId) ??
      this.#unsettled.get(fileId) ?? {
        fileId,
        packed: undefined,
        isAnnounced: true,
        isSettled: true,
      };
    pending.isSettled = true;
    this.#unsettled.delete(fileId);
    this.#files.set(fileId, pending);
    this.#shrink();
  }

  addTopic(topicId: string, record: TopicRecord | undefined): void {
    this.#topics.delete(topicId);
    this.#topics.set(topicId, { topicId, record });
    if (this.#topics.size <= this.#limits.topicsMax) return;
    const [oldest] = this.topicsDue(1);
    if (oldest !== undefined) this.dropTopic(oldest);
  }

  /** @returns whether what this process knows of the topic is newer than what Redis was told */
  isTopicPending(topicId: string): boolean {
    return this.#topics.has(topicId);
  }

  /** @returns up to `limit` files, oldest first, that there is something to tell of */
  filesDue(limit: number): PendingFile[] {
    return firstOf(this.#files.values(), limit);
  }

  /** @returns up to `limit` topics, oldest first */
  topicsDue(limit: number): PendingTopic[] {
    return firstOf(this.#topics.values(), limit);
  }

  /** Everything known of the file was told. */
  fileTold(file: PendingFile): void {
    if (!this.#files.delete(file.fileId)) return;
    if (file.isSettled) this.#forget(file);
    else this.#unsettled.set(file.fileId, file);
  }

  /** The topic was told, unless something newer waits already. */
  topicTold(topic: PendingTopic): void {
    if (this.#topics.get(topic.topicId) === topic) this.#topics.delete(topic.topicId);
  }

  /** Gives a file up that Redis does not take. */
  dropFile(file: PendingFile): void {
    if (!this.#files.delete(file.fileId)) return;
    this.#forget(file);
    this.#dropped('file');
  }

  /** Gives a topic up: it will be copied from the bucket. */
  dropTopic(topic: PendingTopic): void {
    if (this.#topics.get(topic.topicId) !== topic) return;
    this.#topics.delete(topic.topicId);
    this.#topicsWereDropped = true;
    this.#dropped('topic');
  }

  /** Redis may have forgotten everything: tells it of all unsettled files again. */
  tellAgain(): void {
    for (const file of [...this.#files.values(), ...this.#unsettled.values()]) {
      if (file.packed !== undefined) file.isAnnounced = false;
      this.#files.set(file.fileId, file);
    }
    this.#unsettled.clear();
  }

  /**
   * @returns whether topics were dropped since the last call: they must be copied from the bucket
   */
  takeTopicsDropped(): boolean {
    const dropped = this.#topicsWereDropped;
    this.#topicsWereDropped = false;
    return dropped;
  }

  /** Told files go first: nothing is lost with them unless Redis forgets them, too. */
  #shrink(): void {
    for (const told of this.#unsettled.values()) {
      if (!this.#isFull()) return;
      this.#unsettled.delete(told.fileId);
      this.#forget(told);
    }
    for (const oldest of this.#files.values()) {
      if (!this.#isFull()) return;
      this.dropFile(oldest);
    }
  }

  #isFull(): boolean {
    const { filesMax, fileBytesMax } = this.#limits;
    return this.#files.size + this.#unsettled.size > filesMax || this.#fileBytes > fileBytesMax;
  }

  #forget(file: PendingFile): void {
    this.#fileBytes -= byteCount(file.packed);
  }

  /** Logs at 1, 2, 4, 8…: a long outage must not fill the log. */
  #dropped(what: 'file' | 'topic'): void {
    this.#droppedCount++;
    if ((this.#droppedCount & (this.#droppedCount - 1)) !== 0) return;
    this.#logger.warn(
      { what, droppedCount: this.#droppedCount },
      'announcements were dropped: Redis does not take them, or not fast enough',
    );
  }
}

function firstOf<T>(values: Iterable<T>, limit: number): T[] {
  const first: T[] = [];
  for (const value of values) {
    if (first.length >= limit) break;
    first.push(value);
  }
  return first;
}

function byteCount(packed: PackedFile | undefined): number {
  return packed === undefined ? 0 : packed.hint.length + packed.record.length;
}
