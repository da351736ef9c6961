/**
 * Proves at start that a store keeps the promises everything else rests on: put-if-absent, also
 * when concurrent, ranged reads and read-after-write. It removes what it wrote.
 */
import { hasCode } from '../kafka/index.ts';
import { storageError } from './errors.ts';
import type { GetOutcome, ObjectStore, PutIfAbsentOutcome } from './object-store.ts';

const RACERS = 8;
const PROBE_BYTES = 4096;
const KEY_RANDOM_BYTES = 16;

/**
 * @param random that many random bytes
 * @throws `STORAGE_CONDITIONAL_WRITES_UNSUPPORTED`, `STORAGE_INCONSISTENT`, or what the store
 *   throws
 */
export async function proveStore(
  store: ObjectStore,
  random: (byteCount: number) => Buffer,
): Promise<void> {
  const key = `probe/${random(KEY_RANDOM_BYTES).toString('hex')}`;
  try {
    await prove(store, key, random);
  } catch (error) {
    // What was found out says more than why it cannot be cleaned up.
    await store.delete([key]).catch(() => {});
    throw error;
  }
  await store.delete([key]);
}

async function prove(
  store: ObjectStore,
  key: string,
  random: (byteCount: number) => Buffer,
): Promise<void> {
  expectBytes(store, 'a key that was never written', await store.get(key), undefined);
  const winner = await provePutIfAbsent(store, key, random);
  expectBytes(store, 'a key just written', await store.get(key), winner);
  await proveRanges(store, key, winner);
  const next = random(PROBE_BYTES);
  await store.put(key, next);
  expectBytes(store, 'a key just overwritten', await store.get(key), next);
}

/** @returns the bytes of the one put that may win */
async function provePutIfAbsent(
  store: ObjectStore,
  key: string,
  random: (byteCount: number) => Buffer,
): Promise<Buffer> {
  const bodies = Array.from({ length: RACERS }, () => random(PROBE_BYTES));
  const racing = bodies.map(async (body) => await tryPut(store, key, body));
  // All of them are over before the key is cleaned up, whatever becomes of the first.
  await Promise.allSettled(racing);
  const outcomes = await Promise.all(racing);
  const winners = bodies.filter((_body, index) => outcomes[index]?.kind === 'stored');
  const [winner] = winners;
  if (winner === undefined || winners.length > 1) {
    throw unsupported(store, `${winners.length} of ${RACERS} concurrent puts were accepted`);
  }
  const late = await tryPut(store, key, random(PROBE_BYTES));
  if (late.kind === 'stored') throw unsupported(store, 'a second put was accepted');
  return winner;
}

async function tryPut(store: ObjectStore, key: string, body: Buffer): Promise<PutIfAbsentOutcome> {
  try {
    return await store.putIfAbsent(key, body);
  } catch (error) {
    if (!hasCode(error, 'STORAGE_REFUSED')) throw error;
    throw unsupported(store, 'the store refuses such a put', error);
  }
}

async function proveRanges(store: ObjectStore, key: string, bytes: Buffer): Promise<void> {
  for (const [position, length] of [
    [0, 1],
    [1000, 1500],
    [PROBE_BYTES - 10, 10],
    [PROBE_BYTES - 10, 100],
    [PROBE_BYTES, 100],
  ] as const) {
    const outcome = await store.getRange(key, position, length);
    const expected = bytes.subarray(position, position + length);
    const what = `${length} bytes from byte ${position} of ${PROBE_BYTES}`;
    expectBytes(store, what, outcome, expected);
  }
}

function expectBytes(
  store: ObjectStore,
  what: string,
  outcome: GetOutcome,
  expected: Buffer | undefined,
): void {
  const actual = outcome.kind === 'found' ? outcome.bytes : undefined;
  const same = expected === undefined ? actual === undefined : actual?.equals(expected) === true;
  if (same) return;
  const answer = actual === undefined ? 'nothing' : `${actual.length} other bytes`;
  throw storageError(
    'STORAGE_INCONSISTENT',
    `${store.location} was asked for ${what} and returned ${answer}: it is not a store that ` +
      'produced data can be trusted to.',
    { details: { location: store.location, what } },
  );
}

function unsupported(store: ObjectStore, reason: string, cause?: unknown): Error {
  return storageError(
    'STORAGE_CONDITIONAL_WRITES_UNSUPPORTED',
    `${store.location} does not honour "If-None-Match: *": ${reason}. Without it two members could ` +
      "overwrite each other's data. Use a store that has conditional writes, such as AWS S3.",
    { details: { location: store.location, reason }, cause },
  );
}
