/**
 * The bucket as a process of Outrigger starts with it: reached, proved to keep the store's
 * promises, and known to be this cluster's.
 */
import type { Logger } from 'pino';
import { KeyRing } from '../kafka/index.ts';
import type { Opened } from '../runtime/index.ts';
import { openBucket } from './bucket-identity.ts';
import type { ObjectStore } from './object-store.ts';
import { openStore, type StoreOptions } from './open-store.ts';
import { proveStore } from './prove-store.ts';

export interface StorageDependencies {
  readonly openStore: typeof openStore;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** That many random bytes, fit for secrets. */
  readonly random: (byteCount: number) => Buffer;
  readonly logger: Logger;
}

export interface OpenedStorage {
  readonly store: ObjectStore;
  /** Of the placeholders that are this bucket's. */
  readonly keyRing: KeyRing;
}

/**
 * @param clusterId the Kafka cluster's id
 * @param opened closes the store again
 * @throws what `openStore`, `proveStore` and `openBucket` throw
 */
export async function openStorage(
  options: StoreOptions,
  clusterId: string,
  { openStore: open, now, random, logger }: StorageDependencies,
  opened: Opened,
): Promise<OpenedStorage> {
  const store = await open(options, { now, random, logger });
  opened.onClose(() => store.close());
  await proveStore(store, random);
  const bucket = await openBucket(store, clusterId, { now, random });
  const [current, ...older] = bucket.keyRing.toReversed();
  if (current === undefined) throw new TypeError('an opened bucket has a key');
  return { store, keyRing: new KeyRing(current, older) };
}
