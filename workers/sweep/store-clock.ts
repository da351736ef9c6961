/**
 * The object store's clock, by which its objects are dated: a second opinion wherever an age counts,
 * so that no clock that jumps decides alone that something is old.
 */
import { storageError, type CallOptions, type ObjectStore } from '../../storage/index.ts';

const CLOCK_KEY = 'sweep/clock';

/** The time of day by two clocks, milliseconds since the epoch. */
export interface TwoClocks {
  /** This process's. */
  readonly wallMs: number;
  readonly storeMs: number;
}

/**
 * Asks the store for the time, by writing an object.
 *
 * @throws what the store throws
 */
export async function askClocks(
  store: ObjectStore,
  wallMs: number,
  call?: CallOptions,
): Promise<TwoClocks> {
  await store.put(CLOCK_KEY, Buffer.from(String(wallMs), 'latin1'), call);
  const outcome = await store.head(CLOCK_KEY, call);
  if (outcome.kind === 'found') return { wallMs, storeMs: outcome.modifiedMs };
  throw storageError(
    'STORAGE_INCONSISTENT',
    `${store.location} does not know an object that it has just stored.`,
    { retriable: true, details: { key: CLOCK_KEY } },
  );
}

/** @returns how long ago an object was written, by each of the clocks */
export function agesOf(modifiedMs: number, now: TwoClocks): readonly number[] {
  return [now.wallMs - modifiedMs, now.storeMs - modifiedMs];
}

/** @returns whether an object was written so long ago, by each of the clocks */
export function isOlder(modifiedMs: number, ms: number, now: TwoClocks): boolean {
  return agesOf(modifiedMs, now).every((age) => age >= ms);
}
