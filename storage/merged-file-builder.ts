/**
 * Builds a merged file. All sizes are known before the first byte is there, so the file is planned
 * first and filled then, in any order: whoever fills it needs one WAL file at a time. Promises at
 * most one allocation of the file's size, one copy of each batch, and that what was not planned is
 * refused.
 */
import assert from 'node:assert/strict';
import {
  crc32c,
  crc32cThroughBatch,
  JOINED_BYTES_MIN,
  maxTimestamp,
  partitionLeaderEpoch,
} from '../kafka/index.ts';
import { batchProblem, INDEX_ROW_BYTES, writeIndexRow } from './extent-index.ts';
import type { IndexedBatch, LogBatch } from './extent-index.ts';
import { frameMergedFile, mergedHeaderBytes, MERGED_FILE_BYTES_MAX } from './merged-file.ts';
import type { MergedExtent, MergedFileHead } from './merged-file.ts';

export interface PlannedBatch extends LogBatch {
  /** The batch's bytes. */
  readonly length: number;
}

/** One partition's share of the file. A partition may have several. */
export interface PlannedExtent {
  readonly topicId: string;
  readonly topic: string;
  readonly partition: number;
  readonly startOffset: bigint;
  /** Exclusive. */
  readonly endOffset: bigint;
  /** At least one, offsets rising; each with an offset that the extent covers. */
  readonly batches: readonly PlannedBatch[];
}

/**
 * Room for the footer, which is known when the file is full: a file in one piece is stored without
 * another copy of it. Most footers take a tenth of that.
 */
const FOOTER_BYTES = 4096;
const FOOTER_BYTES_PER_EXTENT = 512;
const NO_MEMORY: Buffer = Buffer.alloc(0);

export interface BuiltMergedFile {
  /** The pieces of the object's body: one, unless the footer is unusually large. */
  readonly body: readonly Buffer[];
  readonly crc32c: number;
  readonly fileBytes: number;
}

interface PlacedExtent {
  readonly plan: PlannedExtent;
  readonly batches: readonly IndexedBatch[];
  readonly indexPosition: number;
}

export class MergedFileBuilder {
  readonly #head: MergedFileHead;
  readonly #extents: readonly PlacedExtent[];
  /** The header is written last. */
  readonly #file: Buffer;
  readonly #footerPosition: number;
  /** Of each extent, by the batch: 1 once it is in its place. */
  readonly #isPlaced: readonly Uint8Array[];
  #missing: number;
  #directory: readonly MergedExtent[] | undefined;

  /**
   * @param extents all together, with their indexes, below `MERGED_FILE_BYTES_MAX`
   * @param memory to build the file in, the caller's again when the file is put; of one that is too
   *   small nothing is used
   */
  constructor(head: MergedFileHead, extents: readonly PlannedExtent[], memory = NO_MEMORY) {
    this.#head = head;
    let position = mergedHeaderBytes(head.clusterId);
    this.#extents = extents.map((plan) => {
      const placed = placeExtent(plan, position);
      position = placed.indexPosition + plan.batches.length * INDEX_ROW_BYTES;
      return placed;
    });
    assert(position <= MERGED_FILE_BYTES_MAX, `a merged file of ${position} bytes is too large`);
    this.#footerPosition = position;
    const bytes = position + FOOTER_BYTES + extents.length * FOOTER_BYTES_PER_EXTENT;
    const fits = bytes <= memory.length;
    this.#file = fits ? memory.subarray(0, bytes) : Buffer.allocUnsafeSlow(bytes);
    this.#isPlaced = extents.map(({ batches }) => new Uint8Array(batches.length));
    this.#missing = this.#isPlaced.reduce((sum, { length }) => sum + length, 0);
    for (const { batches, indexPosition } of this.#extents) {
      let at = indexPosition;
      for (const batch of batches) at = writeIndexRow(this.#file, at, batch);
    }
  }

  /**
   * Copies a batch into its place.
   *
   * @param extent which one of the planned extents
   * @param batch which one of its batches
   * @param chunks the batch as a consumer gets it, with the planned offsets in it and a right CRC
   */
  place(extent: number, batch: number, chunks: readonly Buffer[]): void {
    const planned = this.#extents[extent]?.batches[batch];
    const isPlaced = this.#isPlaced[extent];
    assert(planned !== undefined && isPlaced !== undefined, 'no such batch was planned');
    const { position, length } = planned;
    const bytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    assert.equal(bytes, length, 'the batch does not have the planned length');
    let at = position;
    for (const chunk of chunks) at += chunk.copy(this.#file, at);
    const problem = batchProblem(this.#file.subarray(position, at), planned);
    assert.equal(problem, undefined, `the batch has the wrong ${problem}`);
    if (isPlaced[batch] === 0) this.#missing--;
    isPlaced[batch] = 1;
  }

  /** @returns the directory, once every batch is in its place */
  extents(): readonly MergedExtent[] {
    assert.equal(this.#missing, 0, 'not every planned batch is there');
    this.#directory ??= this.#extents.map(({ plan, batches, indexPosition }) => {
      const { topicId, topic, partition, startOffset, endOffset } = plan;
      const position = batches[0]?.position ?? indexPosition;
      const indexBytes = batches.length * INDEX_ROW_BYTES;
      const rows = this.#file.subarray(indexPosition, indexPosition + indexBytes);
      let maxTimestampMs = -1n;
      for (const batch of batches) {
        const latest = maxTimestamp(this.#file, batch.position);
        if (latest > maxTimestampMs) maxTimestampMs = latest;
      }
      const last = batches.at(-1)?.position ?? position;
      return {
        topicId,
        topic,
        partition,
        startOffset,
        endOffset,
        position,
        bytes: indexPosition - position,
        indexBytes,
        indexCrc: crc32c(rows),
        leaderEpoch: partitionLeaderEpoch(this.#file, last),
        maxTimestampMs,
      };
    });
    return this.#directory;
  }

  /**
   * @param entry what the file commits, if it commits anything
   * @returns the body to put; it refers to the builder's bytes
   */
  finish(entry?: Buffer): BuiltMergedFile {
    const extents = this.extents();
    const position = this.#footerPosition;
    const { header, footer } = frameMergedFile(this.#head, position, extents, entry);
    header.copy(this.#file);
    const sum = crc32c(footer, this.#sum());
    const fileBytes = position + footer.length;
    if (fileBytes > this.#file.length) {
      return { body: [this.#file.subarray(0, position), footer], crc32c: sum, fileBytes };
    }
    footer.copy(this.#file, position);
    return { body: [this.#file.subarray(0, fileBytes)], crc32c: sum, fileBytes };
  }

  /** Of all but the footer, out of the batches' own checksums, which `place` has checked: a store refuses other bytes. */
  #sum(): number {
    let sum = 0;
    let summedTo = 0;
    for (const { position, length } of this.#extents.flatMap(({ batches }) => batches)) {
      if (length < JOINED_BYTES_MIN) continue;
      sum = crc32c(this.#file.subarray(summedTo, position), sum);
      sum = crc32cThroughBatch(this.#file, position, length, sum);
      summedTo = position + length;
    }
    return crc32c(this.#file.subarray(summedTo, this.#footerPosition), sum);
  }
}

function placeExtent(plan: PlannedExtent, start: number): PlacedExtent {
  const { startOffset, endOffset, batches } = plan;
  assert(batches.length > 0 && startOffset < endOffset, 'an extent holds at least one batch');
  let position = start;
  let next = -1n;
  const placed = batches.map((batch) => {
    assert(batch.baseOffset > next && batch.lastOffset >= batch.baseOffset, 'offsets rise');
    assert(batch.lastOffset >= startOffset && batch.lastOffset < endOffset, 'not in the extent');
    next = batch.lastOffset;
    const indexed = { ...batch, position };
    position += batch.length;
    return indexed;
  });
  return { plan, batches: placed, indexPosition: position };
}
