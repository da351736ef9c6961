/**
 * WAL files for the jobs of a process, each fetched whole and, while it stays in the cache, once
 * (ADR 9): the merges of all partition groups go through the files in the same order. A file is
 * checked as a whole before anybody sees a byte of it, and a batch against its pointer.
 *
 * The buffers are shared with every reader: views of them must not be written to.
 */
import { LRUCache } from 'lru-cache';
import {
  BATCH_HEADER_BYTES,
  batchAttributes,
  batchBytes,
  batchCrc,
  OutriggerError,
  type Pointer,
} from '../../kafka/index.ts';
import {
  GET_BYTES_MAX,
  parseWalFile,
  readWalFrame,
  walKey,
  type ObjectStore,
} from '../../storage/index.ts';
import { workerError } from '../errors.ts';

/** Damaged on the way is put right by a second read, damaged in the store is not. */
const READS_MAX = 2;

export type WalFileOutcome =
  | { readonly kind: 'found'; readonly file: Buffer }
  | { readonly kind: 'missing' }
  | { readonly kind: 'corrupt'; readonly cause: unknown };

export type WalBatchOutcome =
  /** A view of shared memory: copy what you patch. */
  | { readonly kind: 'found'; readonly batch: Buffer }
  | { readonly kind: 'corrupt'; readonly cause: unknown };

/** Where to read from. The store counts requests under the name of the job that asks. */
export interface WalFileHome {
  readonly store: ObjectStore;
  readonly clusterId: string;
}

export class WalFiles {
  readonly #cache: LRUCache<bigint, Buffer>;
  readonly #loading = new Map<bigint, Promise<WalFileOutcome>>();

  /** @param bytesMax of files in the cache; those on their way to whoever asked come on top */
  constructor(bytesMax: number) {
    this.#cache = new LRUCache({
      maxSize: bytesMax,
      sizeCalculation: ({ length }) => Math.min(Math.max(length, 1), bytesMax),
    });
  }

  /** @throws `STORAGE_…` while the store cannot be asked */
  async get(fileId: bigint, home: WalFileHome): Promise<WalFileOutcome> {
    const file = this.#cache.get(fileId);
    if (file !== undefined) return { kind: 'found', file };
    let loading = this.#loading.get(fileId);
    if (loading === undefined) {
      loading = this.#load(fileId, home).finally(() => this.#loading.delete(fileId));
      this.#loading.set(fileId, loading);
    }
    return await loading;
  }

  async #load(fileId: bigint, { store, clusterId }: WalFileHome): Promise<WalFileOutcome> {
    let cause: unknown;
    for (let read = 1; read <= READS_MAX; read++) {
      // Longer ones are cut off, and fail the check: none of ours is.
      const outcome = await store.getRange(walKey(fileId), 0, GET_BYTES_MAX);
      if (outcome.kind === 'missing') return outcome;
      try {
        checkFile(outcome.bytes, clusterId);
        this.#cache.set(fileId, outcome.bytes);
        return { kind: 'found', file: outcome.bytes };
      } catch (error) {
        if (!(error instanceof OutriggerError)) throw error;
        cause = error;
      }
    }
    return { kind: 'corrupt', cause };
  }
}

/**
 * @param file whole, as `WalFiles` gave it
 * @returns the batch that the pointer names, as it was produced, if the file has it there
 */
export function walBatchIn(
  file: Buffer,
  pointer: Pointer,
  { topic, partition }: { readonly topic: string; readonly partition: number },
): WalBatchOutcome {
  try {
    const batch = readWalFrame(file, pointer.position, pointer.length, topic, partition);
    if (isBatchOf(pointer, batch)) return { kind: 'found', batch };
  } catch (error) {
    if (!(error instanceof OutriggerError)) throw error;
    return { kind: 'corrupt', cause: error };
  }
  const message = 'A batch in a WAL file is not the one that its pointer names.';
  return { kind: 'corrupt', cause: workerError('WORKER_OBJECT_CORRUPT', message) };
}

/** Its checksum is covered by the file's, so that the header's is enough. */
function isBatchOf(pointer: Pointer, batch: Buffer): boolean {
  if (batch.length < BATCH_HEADER_BYTES || batchBytes(batch) !== batch.length) return false;
  return batchCrc(batch) === pointer.crc && batchAttributes(batch) === pointer.attributes;
}

/** @throws an error with code if the bytes are no whole, sound WAL file of this cluster */
function checkFile(file: Buffer, clusterId: string): void {
  const parsed = parseWalFile(file);
  if (parsed.clusterId === clusterId) return;
  throw workerError('WORKER_OBJECT_CORRUPT', 'A WAL file belongs to another Kafka cluster.', {
    details: { clusterId: parsed.clusterId, expected: clusterId },
  });
}
