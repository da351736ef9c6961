/**
 * Builds the merged file of a chunk: fetches each WAL file once, in the order of their ids, and
 * puts the batches in their places. Where a batch cannot be had the partition ends before it, and
 * the file is built without the rest; other partitions are not touched by it.
 */
import { OutriggerError, restoreBatch } from '../../kafka/index.ts';
import {
  MergedFileBuilder,
  partitionKey,
  walKey,
  type MergedFileHead,
  type PlannedExtent,
} from '../../storage/index.ts';
import { workerError, type WorkerErrorCode } from '../errors.ts';
import { walBatchIn, type WalFileHome, type WalFiles } from '../wal/wal-files.ts';
import type { MergeBatch } from './log-batch.ts';
import type { ChunkPart } from './next-chunk.ts';

/** So that the store's latency is waited out once for several of them. */
const FILES_AT_ONCE = 4;

export interface BuiltChunk {
  /** Undefined if nothing is left of the chunk. */
  readonly file: MergedFileBuilder | undefined;
  /** What is in the file. */
  readonly parts: readonly ChunkPart[];
  /** Why the others end early, by the reader that has to stop. */
  readonly losses: readonly Loss[];
}

export interface Loss {
  readonly part: ChunkPart;
  /** Which of the part's batches cannot be had. */
  readonly index: number;
  readonly error: OutriggerError;
}

/** What a chunk is built with. */
export interface ChunkTools {
  readonly walFiles: WalFiles;
  readonly home: WalFileHome;
  /** In which the file is built, if it is large enough. */
  readonly memory: Buffer;
}

/** @throws `STORAGE_…` while the store cannot be asked; the memory may be written to then */
export async function buildChunk(
  chunk: readonly ChunkPart[],
  head: MergedFileHead,
  { walFiles, home, memory }: ChunkTools,
): Promise<BuiltChunk> {
  const losses: Loss[] = [];
  let parts = [...chunk].sort(byPartition);
  while (parts.length > 0) {
    const file = new MergedFileBuilder(head, parts.map(planOf), memory);
    const lost = await placeAll(file, parts, walFiles, home);
    if (lost.size === 0) return { file, parts, losses };
    losses.push(...lost.values());
    parts = parts.flatMap((part) => {
      const loss = lost.get(part);
      if (loss === undefined) return [part];
      const batches = part.batches.slice(0, loss.index);
      return batches.length === 0 ? [] : [{ ...part, batches }];
    });
  }
  return { file: undefined, parts, losses };
}

/** Where a batch goes. */
interface Place {
  readonly part: ChunkPart;
  readonly extent: number;
  readonly index: number;
  readonly batch: MergeBatch;
}

/** @returns of each part that cannot be had as a whole the first batch that is missing */
async function placeAll(
  file: MergedFileBuilder,
  parts: readonly ChunkPart[],
  walFiles: WalFiles,
  home: WalFileHome,
): Promise<ReadonlyMap<ChunkPart, Loss>> {
  const byFile = new Map<bigint, Place[]>();
  for (const [extent, part] of parts.entries()) {
    for (const [index, batch] of part.batches.entries()) {
      const { bytes } = batch;
      if (bytes.kind === 'real') {
        file.place(extent, index, [bytes.batch]);
        continue;
      }
      const places = byFile.get(bytes.pointer.fileId);
      const place = { part, extent, index, batch };
      if (places === undefined) byFile.set(bytes.pointer.fileId, [place]);
      else places.push(place);
    }
  }
  const losses = new Map<ChunkPart, Loss>();
  const next = [...byFile].sort(([left], [right]) => (left < right ? -1 : 1)).values();
  const placeFiles = async (): Promise<void> => {
    for (const [fileId, places] of next) {
      for (const loss of await placeFrom(fileId, places, file, walFiles, home)) {
        const known = losses.get(loss.part);
        if (known === undefined || loss.index < known.index) losses.set(loss.part, loss);
      }
    }
  };
  await Promise.all(Array.from({ length: FILES_AT_ONCE }, placeFiles));
  return losses;
}

async function placeFrom(
  fileId: bigint,
  places: readonly Place[],
  file: MergedFileBuilder,
  walFiles: WalFiles,
  home: WalFileHome,
): Promise<Loss[]> {
  const outcome = await walFiles.get(fileId, home);
  return places.flatMap((place) => {
    const { part, extent, index, batch } = place;
    const { bytes } = batch;
    if (bytes.kind !== 'wal') return [];
    if (outcome.kind === 'missing') return [lossOf(place, 'WORKER_OBJECT_MISSING', undefined)];
    if (outcome.kind === 'corrupt') return [lossOf(place, 'WORKER_OBJECT_CORRUPT', outcome.cause)];
    const found = walBatchIn(outcome.file, bytes.pointer, part.reader.leader);
    if (found.kind === 'corrupt') return [lossOf(place, 'WORKER_OBJECT_CORRUPT', found.cause)];
    file.place(extent, index, restoreBatch(found.batch, bytes.header));
    return [];
  });
}

function lossOf(place: Place, code: WorkerErrorCode, cause: unknown): Loss {
  const { part, index, batch } = place;
  const { topic, partition } = part.reader.leader;
  const fileId = batch.origin.kind === 'wal' ? batch.origin.fileId : 0n;
  const what = code === 'WORKER_OBJECT_MISSING' ? 'is gone' : 'is damaged';
  const message = `The object of an acknowledged batch ${what}.`;
  const details = { key: walKey(fileId), topic, partition, offset: batch.baseOffset };
  return { part, index, error: workerError(code, message, { details, cause }) };
}

/** Partitions in one order in all files: what is merged again is contiguous there. */
function byPartition(left: ChunkPart, right: ChunkPart): number {
  return partitionKey(left.reader.leader) < partitionKey(right.reader.leader) ? -1 : 1;
}

function planOf({ reader, batches }: ChunkPart): PlannedExtent {
  const { topicId, topic, partition } = reader.leader;
  return {
    topicId,
    topic,
    partition,
    startOffset: reader.mergedTo,
    endOffset: endOf(batches),
    batches,
  };
}

/** @returns the offset behind the last of the batches */
export function endOf(batches: readonly MergeBatch[]): bigint {
  const last = batches.at(-1);
  if (last === undefined) throw new RangeError('no batch, no end');
  return last.lastOffset + 1n;
}
