/**
 * Chooses what the next merged file holds: of every partition the batches that follow on its
 * cursor, up to about the same WAL file for all of them. So the merges of a process go through the
 * WAL files in one order, and each is read once (ADR 9). The order saves requests; what is merged
 * is right in any.
 */
import { INDEX_ROW_BYTES } from '../../storage/index.ts';
import type { MergeBatch } from './log-batch.ts';
import type { PartitionReader } from './partition-reader.ts';

/** Windows of all partitions together, in memory. */
export const WINDOWS_BYTES_MAX = 16 * 1024 * 1024;
const WINDOW_BYTES_MIN = 16 * 1024;
const WINDOW_BYTES_MAX = 1024 * 1024;
/** Those of one moment go to each broker in one Fetch. */
const READS_AT_ONCE = 64;

/** What a chunk takes of one partition. */
export interface ChunkPart {
  readonly reader: PartitionReader;
  readonly batches: readonly MergeBatch[];
}

/**
 * @param readers of all partitions that are merged in this run
 * @param bytesMax of the merged file, and of the batches that the log itself has, together
 * @returns nothing once there is nothing left to merge
 */
export async function nextChunk(
  readers: readonly PartitionReader[],
  bytesMax: number,
): Promise<readonly ChunkPart[]> {
  const taken = new Map<PartitionReader, MergeBatch[]>();
  let room = bytesMax;
  while (room > 0) {
    await fillWindows(readers);
    const candidates = inOrder(readers);
    if (candidates.length === 0) break;
    const counts = new Map<PartitionReader, number>();
    for (const { reader, batch } of candidates) {
      const bytes = bytesOf(batch);
      if (bytes > room && taken.size > 0) {
        room = 0;
        break;
      }
      room -= bytes;
      const batches = taken.get(reader);
      if (batches === undefined) taken.set(reader, [batch]);
      else batches.push(batch);
      counts.set(reader, (counts.get(reader) ?? 0) + 1);
    }
    for (const [reader, count] of counts) reader.takeFirst(count);
  }
  return [...taken].map(([reader, batches]) => ({ reader, batches }));
}

interface Candidate {
  readonly key: bigint;
  readonly reader: PartitionReader;
  readonly batch: MergeBatch;
}

/** @returns what may be taken now, by rising keys; of one partition in the order of its log */
function inOrder(readers: readonly PartitionReader[]): Candidate[] {
  const waiting = readers.filter((reader) => reader.hasWaiting);
  let frontier: bigint | undefined;
  for (const { state, lastKey } of waiting) {
    // What others read later may belong before what lies behind the frontier.
    if (state.kind !== 'reading' || lastKey === undefined) continue;
    if (frontier === undefined || lastKey < frontier) frontier = lastKey;
  }
  const candidates = waiting.flatMap((reader) => {
    const end = frontier ?? reader.lastKey ?? 0n;
    return reader.upTo(end).map(({ key, batch }) => ({ key, reader, batch }));
  });
  return candidates.sort((left, right) => {
    if (left.key === right.key) return 0;
    return left.key < right.key ? -1 : 1;
  });
}

/** Partitions for which there is no room wait until others have been merged. */
async function fillWindows(readers: readonly PartitionReader[]): Promise<void> {
  const empty = readers.filter(({ state, hasWaiting }) => state.kind === 'reading' && !hasWaiting);
  const held = readers.reduce((sum, { bytesHeld }) => sum + bytesHeld, 0);
  const fairShare = Math.floor(WINDOWS_BYTES_MAX / Math.max(empty.length, 1));
  const windowBytes = Math.min(WINDOW_BYTES_MAX, Math.max(WINDOW_BYTES_MIN, fairShare));
  let room = WINDOWS_BYTES_MAX - held;
  const next = empty.values();
  const fill = async (): Promise<void> => {
    for (const reader of next) {
      if (room <= 0) return;
      room -= windowBytes;
      // The batch that was merged last may be all that a window holds.
      while (reader.state.kind === 'reading' && !reader.hasWaiting) await reader.fill(windowBytes);
      room += windowBytes - reader.bytesHeld;
    }
  };
  await Promise.all(Array.from({ length: READS_AT_ONCE }, fill));
}

/** Batches that the log itself has are held twice: here, and in the file that is built. */
function bytesOf({ length, bytes }: MergeBatch): number {
  return INDEX_ROW_BYTES + length + (bytes.kind === 'real' ? length : 0);
}
