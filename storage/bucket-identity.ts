/**
 * Whose bucket it is, and the keys that make pointers ours. Both are made once, by the first member
 * that starts on an empty bucket; all members, that one included, go by what they then read. A
 * bucket of another cluster or of a newer version is refused before anything is written to it.
 *
 * The tag key is stored before the identity. So a bucket that has an identity has a key, and one
 * whose key is gone is refused: with a new key every placeholder in the brokers' logs would look
 * like a user's own batch and would be passed on hollow.
 */
import { z } from 'zod';
import { OutriggerError } from '../kafka/index.ts';
import { storageError } from './errors.ts';
import { jsonRecord, parseJsonRecord } from './json-record.ts';
import type { ObjectStore } from './object-store.ts';

/** What is kept in a bucket, and how; higher levels belong to newer versions. */
export const FORMAT_LEVEL = 1;

export interface BucketIdentity {
  /** The Kafka cluster's id. */
  readonly clusterId: string;
  readonly formatLevel: number;
  /** ISO 8601, for people. */
  readonly createdAt: string;
}

/** A key of the hash in every pointer. The secret belongs in no log and no error. */
export interface TagKey {
  /** 0 to 255. */
  readonly id: number;
  /** 32 bytes. */
  readonly secret: Buffer;
}

export interface OpenedBucket {
  readonly identity: BucketIdentity;
  /** By id, without gaps, at least one. The last one is for new pointers. */
  readonly keyRing: readonly TagKey[];
}

export interface BucketDependencies {
  /** That many random bytes, fit for secrets. */
  readonly random: (byteCount: number) => Buffer;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

const IDENTITY_KEY = 'bucket.json';
const SECRET_BYTES = 32;
/** The key id is one byte of the pointer. */
const TAG_KEYS_MAX = 256;

const levelSchema = z.object({ formatLevel: z.int().min(1) });
const identitySchema = levelSchema.extend({
  clusterId: z.string().min(1),
  createdAt: z.iso.datetime(),
});
const tagKeySchema = z.object({
  id: z
    .int()
    .min(0)
    .max(TAG_KEYS_MAX - 1),
  secret: z.base64().length(Math.ceil(SECRET_BYTES / 3) * 4),
});

/**
 * Opens the bucket for a cluster, and makes identity and first tag key if it is empty.
 *
 * @param clusterId the Kafka cluster's id
 * @throws `STORAGE_FOREIGN_BUCKET`, `STORAGE_FORMAT_UNKNOWN`, `STORAGE_RECORD_CORRUPT`, or what
 *   the store throws
 */
export async function openBucket(
  store: ObjectStore,
  clusterId: string,
  dependencies: BucketDependencies,
): Promise<OpenedBucket> {
  let identity = await readIdentity(store);
  if (identity === undefined) {
    await makeBucket(store, clusterId, dependencies);
    identity = await readIdentity(store);
  }
  if (identity === undefined) throw gone(store, IDENTITY_KEY);
  if (identity.clusterId !== clusterId) {
    throw storageError(
      'STORAGE_FOREIGN_BUCKET',
      `${store.location} belongs to the Kafka cluster ${identity.clusterId}, not to ${clusterId}. ` +
        'Give each cluster a bucket or a prefix of its own; after a disaster see "outrigger adopt".',
      { details: { location: store.location, found: identity.clusterId, expected: clusterId } },
    );
  }
  return { identity, keyRing: await readKeyRing(store) };
}

/**
 * Looks at a bucket without making anything.
 *
 * @returns undefined for a bucket that was never used
 * @throws `STORAGE_FORMAT_UNKNOWN`, `STORAGE_RECORD_CORRUPT`, or what the store throws
 */
export async function readBucket(store: ObjectStore): Promise<OpenedBucket | undefined> {
  const identity = await readIdentity(store);
  return identity === undefined ? undefined : { identity, keyRing: await readKeyRing(store) };
}

async function makeBucket(
  store: ObjectStore,
  clusterId: string,
  { random, now }: BucketDependencies,
): Promise<void> {
  const secret = random(SECRET_BYTES).toString('base64');
  await offer(store, tagKeyKey(0), { id: 0, secret });
  const createdAt = new Date(now()).toISOString();
  await offer(store, IDENTITY_KEY, { clusterId, formatLevel: FORMAT_LEVEL, createdAt });
}

/** Whose offer wins, or whether an answer is lost, does not matter: what is there is read next. */
async function offer(
  store: ObjectStore,
  key: string,
  record: Readonly<Record<string, unknown>>,
): Promise<void> {
  try {
    await store.putIfAbsent(key, jsonRecord(record));
  } catch (error) {
    if (!(error instanceof OutriggerError) || error.details['ambiguous'] !== true) throw error;
  }
}

async function readIdentity(store: ObjectStore): Promise<BucketIdentity | undefined> {
  const outcome = await store.get(IDENTITY_KEY);
  if (outcome.kind === 'missing') return undefined;
  const where = `${IDENTITY_KEY} in ${store.location}`;
  const { formatLevel } = parseJsonRecord(outcome.bytes, levelSchema, where);
  if (formatLevel > FORMAT_LEVEL) {
    throw storageError(
      'STORAGE_FORMAT_UNKNOWN',
      `${store.location} has format level ${formatLevel}; this version of Outrigger knows up to ` +
        `${FORMAT_LEVEL}. Upgrade this process.`,
      { details: { location: store.location, formatLevel, known: FORMAT_LEVEL } },
    );
  }
  return parseJsonRecord(outcome.bytes, identitySchema, where);
}

/** Asks for one id after the other: a listing may lag. */
async function readKeyRing(store: ObjectStore): Promise<TagKey[]> {
  const keyRing: TagKey[] = [];
  while (keyRing.length < TAG_KEYS_MAX) {
    const key = tagKeyKey(keyRing.length);
    const outcome = await store.get(key);
    if (outcome.kind === 'missing') break;
    const where = `${key} in ${store.location}`;
    const { id, secret } = parseJsonRecord(outcome.bytes, tagKeySchema, where);
    const bytes = Buffer.from(secret, 'base64');
    if (id !== keyRing.length || bytes.length !== SECRET_BYTES) {
      throw storageError('STORAGE_RECORD_CORRUPT', `${where} is not the tag key of its name.`);
    }
    keyRing.push({ id, secret: bytes });
  }
  if (keyRing.length === 0) throw gone(store, tagKeyKey(0));
  return keyRing;
}

function tagKeyKey(id: number): string {
  return `keys/${id.toString(16).padStart(2, '0')}.json`;
}

function gone(store: ObjectStore, key: string): Error {
  return storageError(
    'STORAGE_RECORD_CORRUPT',
    `${key} is missing in ${store.location}, which was in use before. Restore it from a backup or ` +
      'an older version of the object: without it produced data cannot be told from user data.',
    { details: { location: store.location, key } },
  );
}
