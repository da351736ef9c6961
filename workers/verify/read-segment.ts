/** Reads a whole segment in blocks, to find out whether it is sound. It keeps one block. */
import {
  BATCH_HEADER_BYTES,
  baseOffset,
  batchBytes,
  batchCrc,
  batchMagic,
  computeBatchCrc,
  lastOffset,
  MAGIC_V2,
} from '../../kafka/index.ts';
import { parseManifest, SegmentIndexes, storageError } from '../../storage/index.ts';
import type { ObjectStore, Segment, SegmentKeys } from '../../storage/index.ts';

/** What is read at once, unless a single batch is larger. */
const BLOCK_BYTES = 8 * 1024 * 1024;

/** @throws `STORAGE_SEGMENT_CORRUPT` for the first thing that is wrong, or what the store throws */
export async function readSegment(
  keys: SegmentKeys,
  segment: Segment,
  store: ObjectStore,
): Promise<void> {
  const manifest = parseManifest(await read(keys.manifest, store));
  const fits =
    manifest.segmentId === segment.id &&
    manifest.startOffset === segment.baseOffset &&
    manifest.endOffset + 1n >= segment.endOffset &&
    manifest.logBytes === segment.bytes;
  if (!fits) throw corrupt(keys.manifest, 'it is not the manifest of the segment');
  new SegmentIndexes(manifest, await read(keys.indexes, store)).state();
  const last = await readLog(keys.log, segment, store);
  if (last !== manifest.endOffset) throw corrupt(keys.log, 'its last batch is missing');
}

/** @returns the last batch's last offset */
async function readLog(key: string, { bytes, baseOffset: base }: Segment, store: ObjectStore) {
  let next = base;
  let position = 0;
  let wanted = BLOCK_BYTES;
  while (position < bytes) {
    const outcome = await store.getRange(key, position, Math.min(wanted, bytes - position));
    if (outcome.kind === 'missing') throw corrupt(key, 'it is gone');
    const block = outcome.bytes;
    let at = 0;
    for (;;) {
      const size = sizeAt(block, at);
      if (size === undefined || at + size > block.length) break;
      const batch = block.subarray(at, at + size);
      if (!isSound(batch, next)) throw corrupt(key, `no sound batch at position ${position + at}`);
      next = lastOffset(batch) + 1n;
      at += size;
    }
    if (at === 0 && wanted > block.length) throw corrupt(key, 'its last batch is cut short');
    // A batch that is larger than a block is read by itself.
    wanted = at === 0 ? Math.max(sizeAt(block, 0) ?? 0, wanted + 1) : BLOCK_BYTES;
    position += at;
  }
  return next - 1n;
}

function sizeAt(block: Buffer, at: number): number | undefined {
  return at + BATCH_HEADER_BYTES <= block.length ? batchBytes(block, at) : undefined;
}

function isSound(batch: Buffer, next: bigint): boolean {
  return (
    batch.length >= BATCH_HEADER_BYTES &&
    batchMagic(batch) === MAGIC_V2 &&
    baseOffset(batch) >= next &&
    batchCrc(batch) === computeBatchCrc(batch, 0, batch.length)
  );
}

async function read(key: string, store: ObjectStore): Promise<Buffer> {
  const outcome = await store.get(key);
  if (outcome.kind === 'found') return outcome.bytes;
  throw corrupt(key, 'it is gone');
}

function corrupt(key: string, reason: string): Error {
  return storageError('STORAGE_SEGMENT_CORRUPT', `${key} is damaged: ${reason}.`, {
    details: { key, reason },
  });
}
