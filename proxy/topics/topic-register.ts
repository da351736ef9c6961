/**
 * Reads and writes the records of topics: the bucket first, which has the truth, then the other
 * members. A change of a topic holds its lock from reading the record to writing it.
 *
 * The record of a topic that becomes diskless is written before the broker is asked, as one of a
 * classic topic with the values that users have set: should this process die once the broker holds
 * the safe ones, nothing that a user has set is lost.
 */
import type { Coordinator } from '../../coordinator/index.ts';
import { ZERO_UUID } from '../../kafka/index.ts';
import type { TopicRecord, TopicRecordStore } from '../../storage/index.ts';
import type { Clock } from '../../runtime/index.ts';
import type { TopicName } from './cluster-topics.ts';
import { KeyedLock } from './keyed-lock.ts';
import type { LogEndsOf } from './log-ends.ts';
import { SUBSTITUTED_KEYS } from './topic-keys.ts';
import {
  type BrokerTopicConfigs,
  keptValues,
  type TopicSettings,
  userValues,
} from './upstream-configs.ts';

export interface TopicRegisterOptions {
  readonly records: Pick<TopicRecordStore, 'get' | 'put' | 'delete'>;
  readonly coordinator: Pick<Coordinator, 'publishTopic' | 'removeTopic'>;
  readonly logEnds: LogEndsOf;
  readonly clock: Pick<Clock, 'wallMs'>;
}

/** From before a topic's first record on, nobody has written to it: all of it is merged. */
const FROM_THE_BEGINNING: readonly number[] = [];

/** @returns what a record says, as plans take it */
export function settingsOf(record: TopicRecord | null | undefined): TopicSettings | undefined {
  if (record === null || record === undefined) return undefined;
  return {
    diskless: record.diskless,
    configs: new Map(Object.entries(record.configs)),
    mayHoldPlaceholders: record.diskless || record.placeholdersLeft === true,
  };
}

export class TopicRegister {
  readonly #options: TopicRegisterOptions;
  readonly #lock = new KeyedLock();

  constructor(options: TopicRegisterOptions) {
    this.#options = options;
  }

  /** @returns gives the topics back to others that want to change them */
  async lock(topicNames: Iterable<string>): Promise<() => void> {
    return this.#lock.acquire(topicNames);
  }

  /**
   * @returns the record in the bucket; undefined for a topic that has none
   * @throws what the store throws
   */
  async read(topicId: string): Promise<TopicRecord | undefined> {
    return this.#options.records.get(topicId);
  }

  /** @throws what the store throws when it cannot be reached */
  async probe(): Promise<void> {
    await this.#options.records.get(ZERO_UUID);
  }

  /**
   * Puts what users have set into the bucket, before the broker is given safe values in its place.
   * Other members are not told: nothing has changed yet. One that changes the topic at the same
   * time asks the broker first and reads the record then: if it is shown the safe values, it finds
   * what users have set here.
   * @returns the record that is in the bucket now, for `write` or `restore`
   * @throws what the store throws
   */
  async prepare(
    topic: TopicName,
    before: TopicRecord | undefined,
    held: BrokerTopicConfigs,
  ): Promise<TopicRecord | undefined> {
    const settings = settingsOf(before);
    const kept = keptValues(userValues(settings, held), true, held);
    if (!SUBSTITUTED_KEYS.some((key) => kept.has(key))) return before;
    const mayHoldPlaceholders = settings?.mayHoldPlaceholders === true;
    const prepared = { diskless: false, configs: kept, mayHoldPlaceholders };
    const record = this.#next(topic, before, prepared);
    await this.#options.records.put(record);
    return record;
  }

  /**
   * Writes what holds from now on, and tells the members.
   * @param present the record that is in the bucket; a topic about which nothing is kept gets none
   * @param isNew whether the topic was just made, so that its log is none of old
   * @throws what the store throws; whether it was written is not known then
   */
  async write(
    topic: TopicName,
    present: TopicRecord | undefined,
    settings: TopicSettings,
    isNew = false,
  ): Promise<void> {
    const isWorthKeeping = settings.diskless || settings.configs.size > 0;
    if (present === undefined && !isWorthKeeping) return;
    if (present !== undefined && isSame(settingsOf(present), settings)) return;
    const record = this.#next(topic, present, settings);
    const startOffsets = await this.#startOffsets(topic, present, settings, isNew);
    const whole = startOffsets === undefined ? record : { ...record, startOffsets };
    await this.#options.records.put(whole);
    this.#options.coordinator.publishTopic(whole);
  }

  /**
   * Takes back what `prepare` has put there, since the broker has refused.
   * @param before the record as it was
   * @param present what `prepare` has returned
   * @throws what the store throws
   */
  async restore(
    topic: TopicName,
    before: TopicRecord | undefined,
    present: TopicRecord | undefined,
  ): Promise<void> {
    if (present === before) return;
    const settings = settingsOf(before);
    if (settings === undefined) await this.#options.records.delete(topic.topicId);
    else await this.write(topic, present, settings);
  }

  /** Forgets a topic that is gone. */
  async remove(topicId: string): Promise<void> {
    await this.#options.records.delete(topicId);
    this.#options.coordinator.removeTopic(topicId);
  }

  /**
   * Before the record is written nobody appends a placeholder, unless the topic was diskless once.
   */
  async #startOffsets(
    { name }: TopicName,
    present: TopicRecord | undefined,
    { diskless }: TopicSettings,
    isNew: boolean,
  ): Promise<readonly number[] | undefined> {
    const mayHoldPlaceholders = settingsOf(present)?.mayHoldPlaceholders === true;
    if (!diskless || mayHoldPlaceholders) return present?.startOffsets;
    return isNew ? FROM_THE_BEGINNING : await this.#options.logEnds(name);
  }

  #next(
    { topicId, name }: TopicName,
    present: TopicRecord | undefined,
    { diskless, configs, mayHoldPlaceholders }: TopicSettings,
  ): TopicRecord {
    const { startOffsets, placeholdersEnd, backfill } = present ?? {};
    return {
      topicId,
      name,
      diskless,
      ...(mayHoldPlaceholders && !diskless ? { placeholdersLeft: true } : {}),
      ...(startOffsets === undefined ? {} : { startOffsets }),
      ...(placeholdersEnd === undefined || diskless ? {} : { placeholdersEnd }),
      ...(backfill === undefined ? {} : { backfill }),
      configs: Object.fromEntries(configs),
      ...(present?.backfill === undefined ? {} : { backfill: present.backfill }),
      updatedAtMs: this.#options.clock.wallMs(),
      version: (present?.version ?? 0) + 1,
    };
  }
}

function isSame(a: TopicSettings | undefined, b: TopicSettings): boolean {
  return (
    a?.diskless === b.diskless &&
    a.mayHoldPlaceholders === b.mayHoldPlaceholders &&
    a.configs.size === b.configs.size &&
    [...a.configs].every(([key, value]) => b.configs.get(key) === value)
  );
}
