/**
 * Real batches from WAL files, each fetched whole and once per member (DESIGN §7).
 *
 * What is checked when: a file that comes from the store is checked as a whole (CRC32C, every frame
 * of its index, the cluster it belongs to) before anyone sees a byte of it; a file that this member
 * wrote is cached as written. A batch is then checked against its pointer each time: the frame
 * (topic, partition, length) and the CRC and attributes in the batch's header, which together with
 * the file's CRC32C make a second pass over the batch's bytes needless.
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
import { proxyError } from '../errors.ts';
import type { ByteBudget } from '../../runtime/index.ts';
import type { BatchRequest, BatchSource, SourceOutcome } from './batch-source.ts';
import type { WalFileCache } from './wal-file-cache.ts';

/** A file that turns out longer than expected is read again with a limit this much higher. */
const LIMIT_GROWTH = 4;

/**
 * Bytes damaged on their way are put right by a second read, those damaged in the store are not.
 */
const READS_MAX = 2;

/** What is known to be absent or corrupt is looked for again after this long, not at each fetch. */
const VERDICT_MS = 10_000;
const VERDICTS_MAX = 1_000;

export interface WalFileSourceOptions {
  readonly store: ObjectStore;
  readonly clusterId: string;
  readonly cache: WalFileCache;
  /** Bounds the bytes of files on their way; nobody may hold any of it while asking here. */
  readonly loadBudget: ByteBudget;
  /** As long as a WAL file normally gets: what is reserved for one whose size is not known. */
  readonly fileBytesExpected: number;
  readonly monotonicMs: () => number;
}

export interface WalFileSourceStats {
  readonly filesLoaded: number;
  readonly fileBytesLoaded: number;
}

type Verdict = Exclude<SourceOutcome, { kind: 'found' }>;
type Load = { readonly kind: 'loaded'; readonly file: Buffer } | Verdict;

export class WalFileSource implements BatchSource {
  readonly #options: WalFileSourceOptions;
  readonly #loading = new Map<bigint, Promise<Load>>();
  /** By file, or by file and position for a batch that is wrong within a sound file. */
  readonly #verdicts = new LRUCache<
    string,
    { readonly verdict: Verdict; readonly untilMs: number }
  >({ max: VERDICTS_MAX });
  #filesLoaded = 0;
  #fileBytesLoaded = 0;

  constructor(options: WalFileSourceOptions) {
    this.#options = options;
  }

  get stats(): WalFileSourceStats {
    return { filesLoaded: this.#filesLoaded, fileBytesLoaded: this.#fileBytesLoaded };
  }

  peek(request: BatchRequest): Buffer | undefined {
    const file = this.#options.cache.get(request.pointer.fileId);
    if (file === undefined) return undefined;
    const outcome = batchIn(file, request);
    return outcome.kind === 'found' ? outcome.batch : undefined;
  }

  async fetch(request: BatchRequest): Promise<SourceOutcome> {
    const batch = this.peek(request);
    if (batch !== undefined) return { kind: 'found', batch };
    const { fileId, position } = request.pointer;
    const fileKey = walKey(fileId);
    const batchKey = `${fileKey}@${position}`;
    const known = this.#verdict(fileKey) ?? this.#verdict(batchKey);
    if (known !== undefined) return known;
    const load = await this.#load(request);
    if (load.kind !== 'loaded') return this.#remember(fileKey, load);
    const outcome = batchIn(load.file, request);
    return outcome.kind === 'found' ? outcome : this.#remember(batchKey, outcome);
  }

  #verdict(key: string): Verdict | undefined {
    const known = this.#verdicts.get(key);
    return known !== undefined && this.#options.monotonicMs() < known.untilMs
      ? known.verdict
      : undefined;
  }

  #remember(key: string, verdict: Verdict): Verdict {
    const untilMs = this.#options.monotonicMs() + VERDICT_MS;
    this.#verdicts.set(key, { verdict, untilMs });
    return verdict;
  }

  /** Loads a file into the cache; those who ask for it meanwhile get the same answer. */
  #load({ pointer }: BatchRequest): Promise<Load> {
    const { fileId } = pointer;
    let load = this.#loading.get(fileId);
    if (load === undefined) {
      const end = pointer.position + pointer.length;
      load = this.#read(fileId, end).finally(() => this.#loading.delete(fileId));
      this.#loading.set(fileId, load);
    }
    return load;
  }

  async #read(fileId: bigint, bytesMin: number): Promise<Load> {
    const { cache, clusterId } = this.#options;
    let cause: unknown;
    for (let read = 1; read <= READS_MAX; read++) {
      const bytes = await this.#get(fileId, bytesMin);
      if (bytes === undefined) return { kind: 'absent' };
      try {
        checkFile(bytes, clusterId);
        cache.add(fileId, bytes);
        this.#filesLoaded += 1;
        this.#fileBytesLoaded += bytes.length;
        return { kind: 'loaded', file: bytes };
      } catch (error) {
        if (!(error instanceof OutriggerError)) throw error;
        cause = error;
      }
    }
    cache.delete(fileId);
    return { kind: 'corrupt', cause };
  }

  /**
   * Gets an object of unknown size without ever holding more than was reserved: with a limit, and a
   * higher one if it was not enough.
   */
  async #get(fileId: bigint, bytesMin: number): Promise<Buffer | undefined> {
    const { store, loadBudget, fileBytesExpected } = this.#options;
    const key = walKey(fileId);
    let limit = Math.min(GET_BYTES_MAX, Math.max(fileBytesExpected, bytesMin));
    for (;;) {
      await loadBudget.acquire(limit);
      try {
        const outcome = await store.getRange(key, 0, limit);
        if (outcome.kind === 'missing') return undefined;
        // What is cut off at the largest limit is longer than any file of ours, and fails the
        // check.
        if (outcome.bytes.length < limit || limit === GET_BYTES_MAX) return outcome.bytes;
      } catch (error) {
        const context = { retriable: true, details: { key }, cause: error };
        const message = `The object store at ${store.location} did not hand out a WAL file.`;
        throw proxyError('PROXY_FILL_UNAVAILABLE', message, context);
      } finally {
        loadBudget.release(limit);
      }
      limit = Math.min(GET_BYTES_MAX, limit * LIMIT_GROWTH);
    }
  }
}

/** @throws an error with code if the bytes are no whole, sound WAL file of this cluster */
function checkFile(file: Buffer, clusterId: string): void {
  const parsed = parseWalFile(file);
  if (parsed.clusterId === clusterId) return;
  throw proxyError('PROXY_OBJECT_CORRUPT', 'A WAL file belongs to another Kafka cluster.', {
    details: { clusterId: parsed.clusterId, expected: clusterId },
  });
}

/** The batch that the pointer names, if the file has it there. */
function batchIn(file: Buffer, request: BatchRequest): SourceOutcome {
  const { topic, partition, pointer } = request;
  try {
    const batch = readWalFrame(file, pointer.position, pointer.length, topic, partition);
    if (isBatchOf(pointer, batch)) return { kind: 'found', batch };
  } catch (error) {
    if (!(error instanceof OutriggerError)) throw error;
    return { kind: 'corrupt', cause: error };
  }
  const message = 'A batch in a WAL file is not the one that its pointer names.';
  return { kind: 'corrupt', cause: proxyError('PROXY_OBJECT_CORRUPT', message) };
}

function isBatchOf(pointer: Pointer, batch: Buffer): boolean {
  if (batch.length < BATCH_HEADER_BYTES || batchBytes(batch) !== batch.length) return false;
  return batchCrc(batch) === pointer.crc && batchAttributes(batch) === pointer.attributes;
}
