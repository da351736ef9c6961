/** A WAL writer over a faulty store and a clock that stands still. */
import { pino } from 'pino';
import type { FileAnnouncement } from '../../../../coordinator/index.ts';
import { parseWalFile, readWalFrame, walKey, type WalBatch } from '../../../../storage/index.ts';
import type { WalOutcome } from '../../../../proxy/wal/wal-offer.ts';
import {
  WalWriter,
  type UploadReport,
  type WalWriterOptions,
} from '../../../../proxy/wal/wal-writer.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { FaultyObjectStore } from './faulty-object-store.ts';

/** The outcome of an offer, once there is one. */
export interface Held {
  outcome: WalOutcome | undefined;
}

export type Stored = Extract<WalOutcome, { kind: 'stored' }>;

export class WriterHarness {
  readonly clock = new FakeClock();
  readonly store = new FaultyObjectStore(this.clock);
  readonly announced: FileAnnouncement[] = [];
  readonly settled: bigint[] = [];
  readonly cached = new Map<bigint, Buffer>();
  readonly reports: UploadReport[] = [];
  readonly writer: WalWriter;
  #random = 0;

  constructor(options: Partial<WalWriterOptions> = {}) {
    this.writer = new WalWriter({
      clusterId: 'cluster',
      memberId: 7,
      rack: 'a',
      maxBytes: 10_000,
      minBytes: 0,
      lingerMs: 250,
      uploadsMax: 4,
      bufferBytesMax: 100_000,
      putsPerSecond: 4,
      putTimeoutMs: 10_000,
      produceTimeoutMs: 30_000,
      commitDeadlineMs: 60_000,
      probeIntervalMs: 1_000,
      store: this.store,
      coordinator: {
        announceFile: (file) => this.announced.push(file),
        settleFile: (fileId) => this.settled.push(fileId),
      },
      cache: { add: (fileId, file) => this.cached.set(fileId, file) },
      clock: this.clock,
      random22: () => this.#random++,
      log: pino({ level: 'silent' }),
      onUpload: (report) => this.reports.push(report),
      ...options,
    });
  }

  /** Offers what must be taken; the outcome is filled in once there is one. */
  offer(batches: readonly WalBatch[]): Held {
    const held = this.offerIfUp(batches);
    if (held === undefined) throw new TypeError('expected to be taken, got unavailable');
    return held;
  }

  /** As `offer`, but undefined while the circuit is open. */
  offerIfUp(batches: readonly WalBatch[]): Held | undefined {
    const offer = this.writer.offer(batches);
    if (offer.kind === 'unavailable') return undefined;
    if (offer.kind !== 'wal') throw new TypeError(`expected to be taken, got ${offer.kind}`);
    const held: Held = { outcome: undefined };
    void offer.uploaded.then((outcome) => (held.outcome = outcome));
    return held;
  }

  /** What a reader finds in the bucket where the outcome says that the batch is. */
  batchAt(stored: Stored, index: number, batch: WalBatch): Buffer {
    const file = this.store.objects.get(walKey(stored.fileId));
    const at = stored.positions[index];
    if (file === undefined || at === undefined)
      throw new TypeError('there is no such file or batch');
    parseWalFile(file);
    return readWalFrame(file, at.position, at.length, batch.topic, batch.partition);
  }
}

let made = 0;

/** A batch unlike any other. */
export function batchOf(bytes: number, topic = 'topic', partition = 0): WalBatch {
  const batch = Buffer.alloc(Math.max(8, bytes), 0xee);
  batch.writeUInt32BE(made++, 0);
  return { topic, partition, bytes: batch };
}

export function storedOf(held: Held): Stored {
  if (held.outcome?.kind !== 'stored') {
    throw new TypeError(`expected to be stored, got ${held.outcome?.kind ?? 'no outcome yet'}`);
  }
  return held.outcome;
}
