/** A batch resolver over WAL files in a store that can fail. */
import { pino } from 'pino';
import {
  BATCH_FIELD,
  BATCH_HEADER_BYTES,
  BATCH_LENGTH_OVERHEAD_BYTES,
  pointerTo,
} from '../../../../kafka/index.ts';
import {
  buildWalFile,
  newFileId,
  walKey,
  type ObjectBody,
  type WalBatch,
} from '../../../../storage/index.ts';
import { ByteBudget } from '../../../../runtime/index.ts';
import { BatchResolver } from '../../../../proxy/read/batch-resolver.ts';
import type { BatchRequest } from '../../../../proxy/read/batch-source.ts';
import {
  openStoredReading,
  type StoredReading,
} from '../../../../proxy/read/open-stored-reading.ts';
import { WalFileCache } from '../../../../proxy/read/wal-file-cache.ts';
import { WalFileSource } from '../../../../proxy/read/wal-file-source.ts';
import { idOf } from '../../../support/fake-catalog.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { FakeStates } from '../../../support/fake-states.ts';
import { FaultyObjectStore } from '../wal/faulty-object-store.ts';

export const CLUSTER_ID = 'cluster';
export const TAIL_AGE_MS_MAX = 60_000;

export interface HarnessOptions {
  readonly tailBytesMax?: number;
  readonly laggingBytesMax?: number;
  readonly loadBytesMax?: number;
  readonly fileBytesExpected?: number;
}

export class ReadHarness {
  readonly clock = new FakeClock();
  readonly store = new FaultyObjectStore(this.clock);
  /** Puts objects at once, whatever troubles the store has. */
  readonly bucket = {
    put: async (key: string, body: ObjectBody): Promise<void> => {
      this.store.objects.set(key, Buffer.isBuffer(body) ? body : Buffer.concat(body));
    },
  };
  readonly alarms: string[] = [];
  readonly budget: ByteBudget;
  readonly cache: WalFileCache;
  readonly source: WalFileSource;
  readonly states = new FakeStates();
  readonly stored: StoredReading;
  readonly resolver: BatchResolver;
  #random = 0;

  constructor(options: HarnessOptions = {}) {
    this.budget = new ByteBudget(options.loadBytesMax ?? 100_000);
    this.cache = new WalFileCache({
      tailBytesMax: options.tailBytesMax ?? 100_000,
      laggingBytesMax: options.laggingBytesMax ?? 100_000,
      tailAgeMsMax: TAIL_AGE_MS_MAX,
      wallMs: () => this.clock.wallMs(),
    });
    this.source = new WalFileSource({
      store: this.store,
      clusterId: CLUSTER_ID,
      cache: this.cache,
      loadBudget: this.budget,
      fileBytesExpected: options.fileBytesExpected ?? 10_000,
      monotonicMs: () => this.clock.monotonicMs(),
    });
    const lines = { write: (line: string): unknown => this.alarms.push(line) };
    const log = pino({ level: 'error' }, lines);
    this.stored = openStoredReading({
      store: this.store,
      states: this.states,
      loadBudget: this.budget,
      bytesMax: options.laggingBytesMax ?? 100_000,
      clock: this.clock,
      log,
    });
    this.resolver = new BatchResolver({
      wal: this.source,
      stored: this.stored.source,
      unmergedAgeMsMax: TAIL_AGE_MS_MAX,
      wallMs: () => this.clock.wallMs(),
      log,
    });
  }

  /** Puts a file into the bucket, as another member would have, that long ago. */
  storeFile(batches: readonly WalBatch[], ageMs = 0, clusterId = CLUSTER_ID): BatchRequest[] {
    const createdMs = this.clock.wallMs() - ageMs;
    const fileId = newFileId(createdMs, this.#random++);
    const { file, positions } = buildWalFile({ clusterId, memberId: 3, createdMs, batches });
    this.store.objects.set(walKey(fileId), file);
    return batches.map(({ topic, partition, bytes }, index) => {
      const pointer = pointerTo(bytes, fileId, positions[index] ?? Number.NaN);
      const placeholder = Buffer.from(bytes.subarray(0, BATCH_HEADER_BYTES));
      const topicId = idOf(topic);
      return { topic, topicId, partition, pointer, offset: 42n, placeholder };
    });
  }

  /** The stored bytes of a request's file, to be damaged. */
  fileOf({ pointer }: BatchRequest): Buffer {
    const file = this.store.objects.get(walKey(pointer.fileId));
    if (file === undefined) throw new TypeError('there is no such file');
    return file;
  }
}

let made = 0;

/** Bytes with the header of a batch, unlike any other. */
export function batchOf(bytes: number, topic = 'topic', partition = 0): WalBatch {
  const batch = Buffer.alloc(bytes, 0xee);
  batch.writeInt32BE(bytes - BATCH_LENGTH_OVERHEAD_BYTES, BATCH_FIELD.length);
  batch.writeUInt32BE(made++, BATCH_FIELD.crc);
  batch.writeUInt16BE(0x10, BATCH_FIELD.attributes);
  return { topic, partition, bytes: batch };
}
