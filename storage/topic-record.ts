/**
 * What Outrigger knows of a topic and the brokers do not: whether it is diskless, and the user's
 * values of the configs that the broker must not see as they are. One small JSON object per topic
 * id; the copy in the bucket is the truth, the one in Redis is for speed.
 */
import assert from 'node:assert/strict';
import { z } from 'zod';
import { storageError } from './errors.ts';
import { jsonRecord, parseJsonRecord } from './json-record.ts';
import type { CallOptions, ObjectStore } from './object-store.ts';

const PREFIX = 'topics/';
const SUFFIX = '.json';

const backfillSchema = z
  .object({
    requestedAtMs: z.int().min(0),
    /** Set while it rests. */
    cancelledAtMs: z.int().min(0).optional(),
  })
  .readonly();

/** By partition. JSON's numbers are exact beyond any log's end. */
const offsetsSchema = z.array(z.int().min(0)).readonly();

const topicRecordSchema = z
  .object({
    /** 16 bytes in base64url, as Kafka prints it. */
    topicId: z.string().regex(/^[A-Za-z0-9_-]{22}$/),
    name: z.string().regex(/^[A-Za-z0-9._-]{1,249}$/),
    diskless: z.boolean(),
    /** Set when a diskless topic is made classic, until its log holds no placeholder any more. */
    placeholdersLeft: z.literal(true).optional(),
    /**
     * Where the logs ended when the topic was made diskless: merging begins there. A partition that
     * is not among them was added later.
     */
    startOffsets: offsetsSchema.optional(),
    /** Set once no placeholder can be appended any more to a topic that is classic again. */
    placeholdersEnd: offsetsSchema.optional(),
    /** The user's values of keys that Outrigger keeps, by Kafka's name of the key. */
    configs: z.record(z.string(), z.string()),
    /** Set when an operator asked for data from before the mark to be moved to the bucket too. */
    backfill: backfillSchema.optional(),
    updatedAtMs: z.int().min(0),
    /** Counts changes from 1: of two copies the higher is the newer. */
    version: z.int().min(1),
  })
  .readonly();

export type TopicRecord = z.infer<typeof topicRecordSchema>;

/** @throws `STORAGE_RECORD_CORRUPT` unless the bytes are a topic record */
export function parseTopicRecord(bytes: Buffer, where: string): TopicRecord {
  return parseJsonRecord(bytes, topicRecordSchema, where);
}

/** The topic records of a bucket. */
export class TopicRecordStore {
  readonly #store: ObjectStore;

  constructor(store: ObjectStore) {
    this.#store = store;
  }

  /** @returns undefined for a topic without a record */
  async get(topicId: string, options?: CallOptions): Promise<TopicRecord | undefined> {
    const key = keyOf(topicId);
    const outcome = await this.#store.get(key, options);
    if (outcome.kind === 'missing') return undefined;
    const where = `${key} in ${this.#store.location}`;
    const record = parseTopicRecord(outcome.bytes, where);
    if (record.topicId === topicId) return record;
    throw storageError('STORAGE_RECORD_CORRUPT', `${where} is of the topic ${record.topicId}.`, {
      details: { key, topicId: record.topicId },
    });
  }

  /** Replaces the topic's record. */
  async put(record: TopicRecord, options?: CallOptions): Promise<void> {
    assert(topicRecordSchema.safeParse(record).success, 'no topic record');
    await this.#store.put(keyOf(record.topicId), jsonRecord(record), options);
  }

  async delete(topicId: string, options?: CallOptions): Promise<void> {
    await this.#store.delete([keyOf(topicId)], options);
  }

  /** All records; a listing may lag, so one that is new may not be among them. */
  async *list(options?: CallOptions): AsyncIterable<TopicRecord> {
    for await (const topicId of this.ids(options)) {
      const record = await this.get(topicId, options);
      if (record !== undefined) yield record;
    }
  }

  /** The ids of all topics with a record, whether or not it can be read; as `list`. */
  async *ids(options?: CallOptions): AsyncIterable<string> {
    for await (const { key } of this.#store.list(PREFIX, options)) {
      if (key.endsWith(SUFFIX)) yield key.slice(PREFIX.length, -SUFFIX.length);
    }
  }
}

function keyOf(topicId: string): string {
  return `${PREFIX}${topicId}${SUFFIX}`;
}
