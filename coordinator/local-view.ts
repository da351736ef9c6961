/**
 * What this process knows of members and topics, whether it heard it from Redis, from the bucket or
 * from itself, and who wants to hear of changes. It answers from memory and never asks anyone, so
 * it keeps its last knowledge when Redis is lost.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Logger } from 'pino';
import type { TopicRecord } from '../storage/index.ts';
import type { CoordinatorEvent, CoordinatorListener, MemberRecord } from './coordinator.ts';

interface KnownMember {
  readonly record: MemberRecord;
  /** Set for one that is missing from a Redis that forgot: it gets time to report. */
  readonly graceUntilMs?: number;
}

export interface LocalViewOptions {
  readonly logger: Logger;
  /** Milliseconds that never go back. */
  readonly monotonicMs: () => number;
}

export class LocalView {
  readonly #logger: Logger;
  readonly #monotonicMs: () => number;
  readonly #listeners = new Set<CoordinatorListener>();
  readonly #topics = new Map<string, TopicRecord>();
  #members = new Map<number, KnownMember>();
  #self: MemberRecord | undefined;
  #sorted: readonly MemberRecord[] = [];

  constructor(options: LocalViewOptions) {
    this.#logger = options.logger;
    this.#monotonicMs = options.monotonicMs;
  }

  subscribe(listener: CoordinatorListener): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  emit(event: CoordinatorEvent): void {
    for (const listener of this.#listeners) {
      try {
        listener(event);
      } catch (error) {
        this.#logger.error({ err: error, kind: event.kind }, 'a listener of changes failed');
      }
    }
  }

  members(): readonly MemberRecord[] {
    return this.#sorted;
  }

  /** The record under which this process serves; undefined when it does not. */
  get self(): MemberRecord | undefined {
    return this.#self;
  }

  setSelf(self: MemberRecord | undefined): void {
    if (this.#self !== undefined) this.#members.delete(this.#self.memberId);
    this.#self = self;
    this.#membersChanged();
  }

  putMember(record: MemberRecord): void {
    const known = this.#members.get(record.memberId)?.record;
    this.#members.set(record.memberId, { record });
    if (!isDeepStrictEqual(known, record)) this.#membersChanged();
  }

  removeMember(memberId: number): void {
    if (this.#members.delete(memberId)) this.#membersChanged();
  }

  /**
   * Takes over what Redis knows. Emits nothing: it is part of a refresh.
   *
   * @param graceMs how long to keep members that Redis does not know, because it may have forgotten
   */
  replaceMembers(records: readonly MemberRecord[], graceMs: number): void {
    const members = new Map<number, KnownMember>(
      records.map((record) => [record.memberId, { record }]),
    );
    if (graceMs > 0) {
      const graceUntilMs = this.#monotonicMs() + graceMs;
      for (const [memberId, { record }] of this.#members) {
        if (!members.has(memberId)) members.set(memberId, { record, graceUntilMs });
      }
    }
    this.#members = members;
    this.#sort();
  }

  /** Drops members whose time to report is over. */
  expireGrace(): void {
    const nowMs = this.#monotonicMs();
    let dropped = false;
    for (const [memberId, { graceUntilMs }] of this.#members) {
      if (graceUntilMs === undefined || graceUntilMs > nowMs) continue;
      this.#members.delete(memberId);
      dropped = true;
    }
    if (dropped) this.#membersChanged();
  }

  topics(): ReadonlyMap<string, TopicRecord> {
    return this.#topics;
  }

  /** Takes a record that is newer than the known one. */
  putTopic(record: TopicRecord): void {
    const known = this.#topics.get(record.topicId);
    if (known !== undefined && known.version >= record.version) return;
    this.#topics.set(record.topicId, record);
    this.emit({ kind: 'topic-changed', record });
  }

  removeTopic(topicId: string): void {
    if (this.#topics.delete(topicId)) this.emit({ kind: 'topic-removed', topicId });
  }

  /**
   * Takes over records without an event each: it is part of a refresh. Older versions stay out.
   *
   * @param records all of them
   * @param keep topic ids whose local record stays though it is not among the records; undefined
   *   for a list that may not be complete: nothing is removed then
   */
  mergeTopics(records: readonly TopicRecord[], keep?: (topicId: string) => boolean): void {
    for (const record of records) {
      const known = this.#topics.get(record.topicId);
      if (known === undefined || known.version < record.version) {
        this.#topics.set(record.topicId, record);
      }
    }
    if (keep === undefined) return;
    const listed = new Set(records.map((record) => record.topicId));
    for (const topicId of this.#topics.keys()) {
      if (!listed.has(topicId) && !keep(topicId)) this.#topics.delete(topicId);
    }
  }

  #membersChanged(): void {
    this.#sort();
    this.emit({ kind: 'members-changed' });
  }

  #sort(): void {
    const byId = new Map([...this.#members].map(([id, member]) => [id, member.record]));
    if (this.#self !== undefined) byId.set(this.#self.memberId, this.#self);
    this.#sorted = [...byId.values()].sort((a, b) => a.memberId - b.memberId);
  }
}
