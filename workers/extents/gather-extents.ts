/**
 * Copies extents into one new merged file: what a re-merge commits. The batches, and what stood for
 * them in the brokers' logs, stay what they are; only where they lie changes.
 */
import { MergedFileBuilder } from '../../storage/index.ts';
import type { CallOptions, Extent, MergedFileHead, PlannedBatch } from '../../storage/index.ts';
import type { NamedPartition } from './segment-log.ts';
import type { StoredBatches } from './stored-batches.ts';

/** Extents of one partition that follow on each other, and that become one. */
export interface ExtentRun {
  readonly id: NamedPartition;
  readonly extents: readonly Extent[];
}

/**
 * Holds the new file, which is as large as the runs, and what `stored` holds.
 *
 * @returns the file, and an extent for each run that has a batch; undefined if none has
 * @throws as `StoredBatches.batches`
 */
export async function gatherExtents(
  stored: StoredBatches,
  head: MergedFileHead,
  runs: readonly ExtentRun[],
  call?: CallOptions,
): Promise<MergedFileBuilder | undefined> {
  const planned: { run: ExtentRun; batches: PlannedBatch[] }[] = [];
  for (const run of runs) {
    const batches = await plannedBatches(stored, run, call);
    if (batches.length > 0) planned.push({ run, batches });
  }
  if (planned.length === 0) return undefined;
  const extents = planned.map(({ run: { id, extents: of }, batches }) => ({
    topicId: id.topicId,
    topic: id.topic,
    partition: id.partition,
    startOffset: of[0]?.startOffset ?? 0n,
    endOffset: of.at(-1)?.endOffset ?? 0n,
    batches,
  }));
  const file = new MergedFileBuilder(head, extents);
  for (const [extent, { run }] of planned.entries()) {
    let next = 0;
    for await (const { bytes } of liveBatches(stored, run, call))
      file.place(extent, next++, [bytes]);
  }
  return file;
}

async function plannedBatches(
  stored: StoredBatches,
  { extents }: ExtentRun,
  call?: CallOptions,
): Promise<PlannedBatch[]> {
  const batches: PlannedBatch[] = [];
  for (const extent of extents) {
    const index = await stored.index(extent, call);
    for (let row = index.find(extent.startOffset); row < index.batchCount; row++) {
      const { position: _position, ...batch } = index.at(row);
      if (batch.baseOffset >= extent.endOffset) break;
      batches.push(batch);
    }
  }
  return batches;
}

async function* liveBatches(
  stored: StoredBatches,
  { extents }: ExtentRun,
  call?: CallOptions,
): AsyncGenerator<{ readonly bytes: Buffer }> {
  for (const extent of extents) {
    yield* stored.extentBatches(extent, extent.startOffset, extent.endOffset, call);
  }
}
