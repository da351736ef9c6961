/**
 * How transactions ended that were open at the end of the last segment: by their markers in merged
 * files, which are found by the indexes, without the data around them.
 */
import {
  BATCH_HEADER_BYTES,
  batchAttributes,
  isControl,
  producerId,
  recordCount,
  records,
} from '../../kafka/index.ts';
import type { IndexedBatch } from '../../storage/index.ts';
import type { ExtentReader } from './extent-reader.ts';
import { expectFound } from './lookup.ts';
import type { OpenTransaction } from './segment-reader.ts';
import type { ExtentPiece, StoredPartition } from './stored-partition.ts';

/** A marker has 78 bytes, and no placeholder ever stood for it. */
const MARKER_BATCH_BYTES_MAX = 128;
const ABORT = 0;

export interface Decided {
  readonly aborted: readonly OpenTransaction[];
  /** Their markers are not merged yet. */
  readonly undecided: readonly OpenTransaction[];
}

/**
 * @param open at the end of the last segment
 * @throws `PROXY_FILL_UNAVAILABLE` (retriable), `PROXY_OBJECT_MISSING`, `PROXY_OBJECT_CORRUPT`
 */
export async function decideByMarkers(
  reader: ExtentReader,
  { extents, view }: StoredPartition,
  open: readonly OpenTransaction[],
): Promise<Decided> {
  const undecided = new Map(open.map((transaction) => [transaction.producerId, transaction]));
  const aborted: OpenTransaction[] = [];
  // Where extents begin later, markers of these transactions may lie before them.
  const first = extents[0]?.extent.startOffset;
  if (first === undefined || first > view.consolidatedTo) return { aborted, undecided: open };
  for (const piece of extents) {
    for await (const marker of controlBatches(reader, piece, view.consolidatedTo)) {
      const transaction = undecided.get(producerId(marker));
      if (transaction === undefined) continue;
      undecided.delete(transaction.producerId);
      if (isAbort(marker)) aborted.push(transaction);
      if (undecided.size === 0) return { aborted, undecided: [] };
    }
  }
  return { aborted, undecided: [...undecided.values()] };
}

async function* controlBatches(
  reader: ExtentReader,
  piece: ExtentPiece,
  from: bigint,
): AsyncGenerator<Buffer> {
  const rows = (await expectFound(piece.key, () => reader.rowsOf(piece))) ?? [];
  for (const row of rows) {
    if (!mayBeMarker(row) || row.baseOffset < from) continue;
    const batch = await expectFound(piece.key, () => reader.batchOf(piece, row));
    if (batch !== undefined && isControl(batchAttributes(batch))) yield batch;
  }
}

function mayBeMarker({ origin, length }: IndexedBatch): boolean {
  return origin.kind === 'real' && length <= MARKER_BATCH_BYTES_MAX;
}

/** `EndTransactionMarker`: the key is a version and a type. */
function isAbort(marker: Buffer): boolean {
  const [record] = records(marker.subarray(BATCH_HEADER_BYTES), recordCount(marker));
  return record?.key?.readInt16BE(2) === ABORT;
}
