/**
 * Files that nobody will settle any more: those whose member died or whose connection was lost, and
 * those that Redis does not know, which only a listing finds. When they are old enough they get a
 * settled number, and then have to pass the same test as the others.
 */
import type { FileAnnouncement } from '../../coordinator/index.ts';
import { hasCode } from '../../kafka/index.ts';
import {
  fileCreatedMs,
  fileIdOf,
  GET_BYTES_MAX,
  parseWalFile,
  WAL_PREFIX,
  walKey,
  type ListedObject,
} from '../../storage/index.ts';
import type { ClusterJobContext } from '../cluster-job.ts';
import { agesOf, isOlder, type TwoClocks } from './store-clock.ts';
import { decideSweep, type SweepTimes } from './sweep-rule.ts';

const PAGE_FILES = 1_000;
/** Each is read whole; more are the next look's. */
const ORPHANS_MAX = 1_000;
/** What tells whether the store takes writes; members that live write theirs anew. */
const PROBE_PREFIXES = ['health/', 'probe/'];
const PROBE_MS = 86_400_000;

/** Of files that were announced and not settled. */
export async function giveUpUnsettled(
  context: ClusterJobContext,
  times: SweepTimes,
  now: TwoClocks,
): Promise<void> {
  const { coordinator, store, failpoint } = context;
  const createdBeforeMs = now.wallMs - times.unsettledMs;
  const files = await coordinator.unsettledFiles(createdBeforeMs, PAGE_FILES);
  const gone: bigint[] = [];
  for (const file of files) {
    const object = await store.head(walKey(file.fileId));
    if (object.kind === 'missing') gone.push(file.fileId);
    else if (isGivenUp(file.createdMs, object.modifiedMs, times, now)) {
      await failpoint('sweep-wal:before-abandon');
      await coordinator.settleAbandoned(file);
    }
  }
  if (gone.length > 0) await coordinator.forgetFiles(gone);
}

/** Of files that Redis does not know. Keys sort by time, so the listing ends with the old ones. */
export async function sweepOrphans(
  context: ClusterJobContext,
  times: SweepTimes,
  now: TwoClocks,
): Promise<void> {
  const { store, logger, signal } = context;
  let page: ListedObject[] = [];
  let found = 0;
  for await (const object of store.list(WAL_PREFIX)) {
    signal.throwIfAborted();
    const fileId = fileIdOf(object.key);
    if (fileId === undefined) continue;
    if (now.wallMs - fileCreatedMs(fileId) < times.unsettledMs) break;
    page.push(object);
    if (page.length < PAGE_FILES) continue;
    found += await giveUpOrphans(context, page, times, now);
    page = [];
    if (found >= ORPHANS_MAX) break;
  }
  found += await giveUpOrphans(context, page, times, now);
  if (found > 0) logger.info({ files: found }, 'WAL files that Redis did not know are given up');
}

/** @returns how many there were */
async function giveUpOrphans(
  context: ClusterJobContext,
  objects: readonly ListedObject[],
  times: SweepTimes,
  now: TwoClocks,
): Promise<number> {
  const { coordinator, failpoint } = context;
  const byId = new Map(objects.map((object) => [fileIdOf(object.key) ?? 0n, object]));
  const known = objects.length === 0 ? new Set() : await coordinator.knownFiles([...byId.keys()]);
  let found = 0;
  for (const [fileId, object] of byId) {
    const createdMs = fileCreatedMs(fileId);
    if (known.has(fileId) || !isGivenUp(createdMs, object.modifiedMs, times, now)) continue;
    const file = await readOrphan(context, fileId, object);
    if (file === undefined) continue;
    await failpoint('sweep-wal:before-abandon');
    await coordinator.settleAbandoned(file);
    found += 1;
  }
  return found;
}

/** @returns undefined if it went meanwhile, or does not say what is in it */
async function readOrphan(
  { store, memory, logger }: ClusterJobContext,
  fileId: bigint,
  { key, byteCount }: ListedObject,
): Promise<FileAnnouncement | undefined> {
  if (byteCount > GET_BYTES_MAX) return undefined;
  await memory.acquire(byteCount);
  try {
    const outcome = await store.get(key);
    if (outcome.kind === 'missing') return undefined;
    const { memberId, partitions } = parseWalFile(outcome.bytes);
    return {
      fileId,
      bytes: outcome.bytes.length,
      memberId,
      rack: '',
      createdMs: fileCreatedMs(fileId),
      partitions: partitions.map(({ topic, partition, frames }) => {
        const bytes = frames.reduce((sum, { length }) => sum + length, 0);
        return { topic, partition, batchCount: frames.length, bytes };
      }),
    };
  } catch (error) {
    const isUnreadable =
      hasCode(error, 'STORAGE_WAL_CORRUPT') || hasCode(error, 'STORAGE_FORMAT_UNKNOWN');
    if (!isUnreadable) throw error;
    logger.error({ err: error, key }, 'a WAL file cannot be read, and is kept');
    return undefined;
  } finally {
    memory.release(byteCount);
  }
}

/** Deletes what was left by processes that died while they tried the store. */
export async function sweepProbes({ store }: ClusterJobContext, now: TwoClocks): Promise<void> {
  for (const prefix of PROBE_PREFIXES) {
    const dead: string[] = [];
    for await (const { key, modifiedMs } of store.list(prefix)) {
      if (isOlder(modifiedMs, PROBE_MS, now)) dead.push(key);
      if (dead.length >= PAGE_FILES) break;
    }
    if (dead.length > 0) await store.delete(dead);
  }
}

/** By its writer's clock, and by the store's. */
function isGivenUp(
  createdMs: number,
  modifiedMs: number,
  times: SweepTimes,
  now: TwoClocks,
): boolean {
  const agesMs = [now.wallMs - createdMs, ...agesOf(modifiedMs, now)];
  const nothing = { settledNumber: undefined, countingIn: undefined, partitions: [] };
  return decideSweep({ ...nothing, agesMs }, times).kind === 'abandon';
}
