/**
 * Batches in extents of merged files. An index tells where a batch is and what stood for it in the
 * broker's log, so no byte of a batch is needed to know that it is not the one.
 */
import { baseOffset, lastOffset, OutriggerError } from '../../kafka/index.ts';
import { ExtentIndex, type IndexedBatch } from '../../storage/index.ts';
import { proxyError } from '../errors.ts';
import { LoadingCache } from './loading-cache.ts';
import { ABSENT, type Corrupt, type Lookup } from './lookup.ts';
import type { ObjectReader } from './object-reader.ts';
import type { StoredBatches } from './stored-batches.ts';
import type { ExtentPiece } from './stored-partition.ts';

/** An index, or why the bytes in its place are none. */
interface OpenIndex {
  readonly rows: ExtentIndex | OutriggerError;
  readonly bytes: number;
  /** The row after the one that was found last: who reads on finds the next one there. */
  nextRow: number;
}

export class ExtentReader {
  readonly #reader: ObjectReader;
  readonly #batches: StoredBatches;
  readonly #indexes: LoadingCache<OpenIndex>;

  /** @param indexBytesMax of indexes in memory */
  constructor(reader: ObjectReader, batches: StoredBatches, indexBytesMax: number) {
    this.#reader = reader;
    this.#batches = batches;
    this.#indexes = new LoadingCache(indexBytesMax, ({ bytes }) => bytes);
  }

  get indexBytes(): number {
    return this.#indexes.bytes;
  }

  /** @returns what the index says of the batch that begins at the offset */
  rowAt(piece: ExtentPiece, offset: bigint): Lookup<IndexedBatch> {
    const index = this.#indexes.peek(piece.indexName);
    if (index === undefined) return { kind: 'unread', load: () => this.#load(piece) };
    const { rows } = index;
    if (rows instanceof OutriggerError) return this.#corrupt(piece, rows);
    const next = index.nextRow < rows.batchCount ? rows.at(index.nextRow) : undefined;
    if (next?.baseOffset === offset) {
      index.nextRow += 1;
      return { kind: 'found', value: next };
    }
    const row = rows.find(offset);
    const found = row < rows.batchCount ? rows.at(row) : undefined;
    if (found?.baseOffset !== offset) return ABSENT;
    index.nextRow = row + 1;
    return { kind: 'found', value: found };
  }

  /** @returns all rows of the index, in order */
  rowsOf(piece: ExtentPiece): Lookup<Iterable<IndexedBatch>> {
    const index = this.#indexes.peek(piece.indexName);
    if (index === undefined) return { kind: 'unread', load: () => this.#load(piece) };
    const { rows } = index;
    if (rows instanceof OutriggerError) return this.#corrupt(piece, rows);
    return { kind: 'found', value: allRows(rows) };
  }

  /** @returns the batch of a row */
  batchOf(piece: ExtentPiece, row: IndexedBatch): Lookup<Buffer> {
    const lookup = this.#batches.at(piece, row.position);
    if (lookup.kind !== 'found') return lookup;
    const batch = lookup.value;
    const isIndexed =
      batch.length === row.length &&
      baseOffset(batch) === row.baseOffset &&
      lastOffset(batch) === row.lastOffset;
    if (isIndexed) return lookup;
    const details = { key: piece.key, position: row.position };
    const message = 'A merged file has another batch than its index says.';
    return this.#corrupt(piece, proxyError('PROXY_OBJECT_CORRUPT', message, { details }));
  }

  #corrupt(piece: ExtentPiece, cause: OutriggerError): Corrupt {
    return { kind: 'corrupt', cause, forget: () => this.#indexes.delete(piece.indexName) };
  }

  async #load(piece: ExtentPiece): Promise<boolean> {
    const index = await this.#indexes.get(piece.indexName, async () => {
      const { indexBytes } = piece.extent;
      const bytes = await this.#reader.read(piece.key, piece.end, indexBytes);
      if (bytes === undefined) return undefined;
      return { rows: parseIndex(bytes, piece), bytes: indexBytes, nextRow: 0 };
    });
    return index !== undefined;
  }
}

function* allRows(rows: ExtentIndex): Generator<IndexedBatch> {
  for (let row = 0; row < rows.batchCount; row++) yield rows.at(row);
}

function parseIndex(bytes: Buffer, { extent }: ExtentPiece): OpenIndex['rows'] {
  try {
    return new ExtentIndex(bytes, extent);
  } catch (error) {
    if (error instanceof OutriggerError) return error;
    throw error;
  }
}
