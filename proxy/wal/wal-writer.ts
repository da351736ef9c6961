/**
 * The WAL writer of a member: gathers the batches of all its clients into WAL files, brings them
 * into the bucket, and says where each batch is (DESIGN §6). A request's batches share one file, so
 * it can be forwarded in one go.
 *
 * Promises: an outcome for every request taken, within `produceTimeoutMs`; no batch in two files
 * that were reported; memory bounded by `bufferBytesMax` and the uploads in flight. It knows
 * nothing of placeholders, connections or brokers.
 */
import assert from 'node:assert/strict';
import type { Logger } from 'pino';
import type { Coordinator, FilePartition } from '../../coordinator/index.ts';
import {
  buildWalFile,
  fileCreatedMs,
  GET_BYTES_MAX,
  type BuiltWalFile,
  type ObjectStore,
  type WalBatch,
} from '../../storage/index.ts';
import { ByteRate } from './byte-rate.ts';
import type { Clock } from '../../runtime/index.ts';
import { CommitTracker, type CommitTrackerStats } from './commit-tracker.ts';
import { decideFlush, type FlushLimits, type FlushReason } from './flush-policy.ts';
import { PutBudget } from './put-budget.ts';
import { RequestBuffer, sumFrameBytes, type BufferedRequest } from './request-buffer.ts';
import { StoreHealth, type StoreState } from './store-health.ts';
import type { WalOffer, WalOutcome } from './wal-offer.ts';
import { uploadFailed, WalUploader, type UploadOutcome } from './wal-uploader.ts';

/** Readers get WAL files whole; a request that is larger than half of what they can, goes real. */
export const WAL_REQUEST_BYTES_MAX = GET_BYTES_MAX / 2;

/** How far back "recently" goes when the break-even is computed. */
const RATE_WINDOW_MS = 2_000;

const STORE_FAILING = 'the object store does not take writes';

export interface WalWriterOptions extends FlushLimits {
  readonly clusterId: string;
  readonly memberId: number;
  readonly rack: string;
  /** Frame bytes that may wait for an upload slot. */
  readonly bufferBytesMax: number;
  /** PUTs a second that flushes ahead of the linger may bring about. */
  readonly putsPerSecond: number;
  /** How long one PUT may take. */
  readonly putTimeoutMs: number;
  /** From the offer to its outcome. */
  readonly produceTimeoutMs: number;
  /** From a file's creation to the forwarding of its last placeholder. */
  readonly commitDeadlineMs: number;
  /** Between two writes that ask whether a failing store takes writes again. */
  readonly probeIntervalMs: number;
  readonly store: ObjectStore;
  readonly coordinator: Pick<Coordinator, 'announceFile' | 'settleFile'>;
  /** Takes a file that consumers will ask for in a moment. */
  readonly cache: { add(fileId: bigint, file: Buffer): void };
  readonly clock: Clock;
  /** 22 random bits. */
  readonly random22: () => number;
  readonly log: Logger;
  /** Called at the end of every upload, for metrics. */
  readonly onUpload?: (report: UploadReport) => void;
}

export interface UploadReport {
  readonly stored: boolean;
  readonly reason: FlushReason;
  readonly requests: number;
  readonly fileBytes: number;
  readonly durationMs: number;
}

export interface WalWriterStats {
  readonly bufferedRequests: number;
  readonly bufferedBytes: number;
  readonly uploadsInFlight: number;
  readonly filesStored: number;
  readonly fileBytesStored: number;
  readonly filesFailed: number;
  readonly requestsReal: number;
  readonly flushes: Readonly<Record<FlushReason, number>>;
  readonly commits: CommitTrackerStats;
}

export class WalWriter {
  readonly #options: WalWriterOptions;
  readonly #health: StoreHealth;
  readonly #uploader: WalUploader;
  readonly #tracker: CommitTracker;
  readonly #rate: ByteRate;
  readonly #puts: PutBudget;
  readonly #buffer: RequestBuffer;
  #uploadsInFlight = 0;
  #timer: { readonly atMs: number; readonly cancel: () => void } | undefined;
  #closed = false;
  #onDrained: (() => void) | undefined;
  #filesStored = 0;
  #fileBytesStored = 0;
  #filesFailed = 0;
  #requestsReal = 0;
  readonly #flushes: Record<FlushReason, number> = { size: 0, linger: 0, idle: 0 };

  constructor(options: WalWriterOptions) {
    assert.ok(options.uploadsMax > 0, 'without an upload slot nothing is ever written');
    assert.ok(options.produceTimeoutMs > options.lingerMs, 'requests would expire in the linger');
    const { clock, log, store, memberId, probeIntervalMs } = options;
    this.#options = options;
    this.#buffer = new RequestBuffer(options.bufferBytesMax);
    this.#health = new StoreHealth({
      clock,
      log,
      probeIntervalMs,
      probe: () => this.#uploader.probe(`health/${memberId}`),
      onChange: (state) => {
        if (state === 'failing') fail(this.#buffer.takeAll(), new Error(STORE_FAILING));
      },
    });
    this.#uploader = new WalUploader({ ...options, store, health: this.#health });
    this.#tracker = new CommitTracker((fileId) => options.coordinator.settleFile(fileId));
    const nowMs = clock.monotonicMs();
    this.#rate = new ByteRate(RATE_WINDOW_MS, nowMs);
    this.#puts = new PutBudget(options.putsPerSecond, nowMs);
  }

  /** Whether the object store takes writes, as far as this writer has seen. */
  health(): StoreState {
    return this.#health.state;
  }

  get stats(): WalWriterStats {
    return {
      bufferedRequests: this.#buffer.count,
      bufferedBytes: this.#buffer.bytes,
      uploadsInFlight: this.#uploadsInFlight,
      filesStored: this.#filesStored,
      fileBytesStored: this.#fileBytesStored,
      filesFailed: this.#filesFailed,
      requestsReal: this.#requestsReal,
      flushes: { ...this.#flushes },
      commits: this.#tracker.stats,
    };
  }

  /**
   * Offers the batches of one produce request.
   *
   * @param batches at least one; views are fine, but their bytes must stay as they are until the
   *   outcome
   */
  offer(batches: readonly WalBatch[]): WalOffer {
    assert.ok(batches.length > 0, 'a request without batches has no business here');
    if (this.#closed) return unavailable(new Error('the WAL writer is closed'));
    if (this.#health.state === 'failing') {
      return unavailable(new Error(STORE_FAILING));
    }
    const nowMs = this.#options.clock.monotonicMs();
    const frameBytes = sumFrameBytes(batches);
    if (!this.#buffer.hasRoomFor(frameBytes)) return { kind: 'full', room: this.#buffer.room() };
    this.#rate.add(frameBytes, nowMs);
    if (frameBytes > WAL_REQUEST_BYTES_MAX || !this.#isWorthAPut(frameBytes, nowMs)) {
      this.#requestsReal += 1;
      return { kind: 'real' };
    }
    const uploaded = new Promise<WalOutcome>((end) => {
      this.#buffer.push({ batches, frameBytes, offeredMs: nowMs, end });
    });
    this.#pump();
    return { kind: 'wal', uploaded };
  }

  /**
   * Takes nothing more, and writes what it has without waiting for more.
   * @param timeoutMs after this long what is still buffered fails
   * @returns once nothing is buffered and no upload in flight, or the time is over
   */
  async close(timeoutMs: number): Promise<void> {
    this.#closed = true;
    this.#pump();
    if (!this.#isDrained()) {
      await new Promise<void>((resume) => {
        const cancel = this.#options.clock.after(timeoutMs, resume);
        this.#onDrained = () => {
          cancel();
          resume();
        };
      });
    }
    if (!this.#isDrained()) {
      const facts = { uploads: this.#uploadsInFlight, requests: this.#buffer.count };
      this.#options.log.warn(facts, 'closing before everything buffered was uploaded');
    }
    fail(this.#buffer.takeAll(), new Error('the WAL writer was closed'));
    this.#cancelTimer();
    this.#health.close();
  }

  /**
   * The break-even of DESIGN §6. A file that is on its way anyway costs no further PUT, and one
   * request alone may be worth its own.
   */
  #isWorthAPut(frameBytes: number, nowMs: number): boolean {
    const { minBytes, lingerMs } = this.#options;
    if (this.#buffer.count > 0 || frameBytes >= minBytes) return true;
    return this.#rate.bytesPerMs(nowMs) * lingerMs >= minBytes;
  }

  /** Cuts the files that are due, and sets the timer for the next look. */
  #pump(): void {
    const { clock, produceTimeoutMs } = this.#options;
    const limits = this.#closed ? { ...this.#options, lingerMs: 0 } : this.#options;
    for (;;) {
      const nowMs = clock.monotonicMs();
      this.#expire(nowMs);
      const oldestMs = this.#buffer.oldest?.offeredMs;
      const state = {
        bytes: this.#buffer.bytes,
        oldestMs,
        uploadsInFlight: this.#uploadsInFlight,
        putReadyMs: this.#puts.readyMs(nowMs),
      };
      const decision = decideFlush(limits, state, nowMs);
      if (decision.kind === 'flush') {
        this.#flush(decision.reason, nowMs);
        continue;
      }
      if (oldestMs === undefined) this.#cancelTimer();
      else this.#wakeAt(decision.kind === 'wait' ? decision.untilMs : oldestMs + produceTimeoutMs);
      return;
    }
  }

  /** Gives up the requests that waited for a slot for too long. */
  #expire(nowMs: number): void {
    const expired = this.#buffer.takeOfferedUntil(nowMs - this.#options.produceTimeoutMs);
    if (expired.length > 0) fail(expired, new Error('there was no upload slot in time'));
  }

  #wakeAt(atMs: number): void {
    if (this.#timer?.atMs === atMs) return;
    this.#cancelTimer();
    const { clock } = this.#options;
    const cancel = clock.after(Math.max(0, atMs - clock.monotonicMs()), () => {
      this.#timer = undefined;
      this.#pump();
    });
    this.#timer = { atMs, cancel };
  }

  #cancelTimer(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #flush(reason: FlushReason, nowMs: number): void {
    const requests = this.#buffer.takeFile(this.#options.maxBytes);
    this.#flushes[reason] += 1;
    this.#puts.take(nowMs);
    this.#uploadsInFlight += 1;
    void this.#write(requests, reason, nowMs);
  }

  async #write(
    requests: readonly BufferedRequest[],
    reason: FlushReason,
    startedMs: number,
  ): Promise<void> {
    const { clusterId, memberId, clock, produceTimeoutMs, onUpload } = this.#options;
    const giveUpMs = (requests[0]?.offeredMs ?? startedMs) + produceTimeoutMs;
    let fileBytes = 0;
    let upload: UploadOutcome;
    try {
      const batches = requests.flatMap((request) => request.batches);
      const built = buildWalFile({ clusterId, memberId, createdMs: clock.wallMs(), batches });
      fileBytes = built.file.length;
      upload = await this.#uploader.upload(built, giveUpMs);
      if (upload.kind === 'stored') this.#stored(upload, built, batches, requests);
    } catch (error) {
      upload = { kind: 'failed', error: uploadFailed(error) };
    }
    if (upload.kind === 'failed') {
      this.#filesFailed += 1;
      this.#options.log.warn({ err: upload.error, fileBytes }, 'a WAL file was given up');
      for (const request of requests) request.end(upload);
    }
    const durationMs = clock.monotonicMs() - startedMs;
    const stored = upload.kind === 'stored';
    onUpload?.({ stored, reason, requests: requests.length, fileBytes, durationMs });
    this.#uploadsInFlight -= 1;
    this.#pump();
    if (this.#isDrained()) this.#onDrained?.();
  }

  #stored(
    upload: Extract<UploadOutcome, { kind: 'stored' }>,
    built: BuiltWalFile,
    batches: readonly WalBatch[],
    requests: readonly BufferedRequest[],
  ): void {
    const { cache, coordinator, memberId, rack, commitDeadlineMs } = this.#options;
    const { fileId } = upload;
    this.#filesStored += 1;
    this.#fileBytesStored += built.file.length;
    cache.add(fileId, built.file);
    coordinator.announceFile({
      fileId,
      bytes: built.file.length,
      memberId,
      rack,
      createdMs: fileCreatedMs(fileId),
      partitions: partitionsOf(batches),
    });
    const commitByMs = upload.createdMs + commitDeadlineMs;
    const shares = this.#tracker.track(fileId, requests.length);
    let first = 0;
    for (const [index, request] of requests.entries()) {
      const share = shares[index];
      assert.ok(share !== undefined, 'every request has a share');
      const positions = request.batches.map(({ bytes }, offset) => {
        const position = built.positions[first + offset];
        assert.ok(position !== undefined, 'every batch has a position');
        return { position, length: bytes.length };
      });
      first += request.batches.length;
      request.end({ kind: 'stored', fileId, positions, commitByMs, share });
    }
  }

  #isDrained(): boolean {
    return this.#buffer.count === 0 && this.#uploadsInFlight === 0;
  }
}

function unavailable(cause: Error): WalOffer {
  return { kind: 'unavailable', error: uploadFailed(cause) };
}

function fail(requests: readonly BufferedRequest[], cause: Error): void {
  const outcome: WalOutcome = { kind: 'failed', error: uploadFailed(cause) };
  for (const request of requests) request.end(outcome);
}

function partitionsOf(batches: readonly WalBatch[]): FilePartition[] {
  const partitions = new Map<string, { -readonly [K in keyof FilePartition]: FilePartition[K] }>();
  for (const { topic, partition, bytes } of batches) {
    const name = `${partition}/${topic}`;
    const known = partitions.get(name) ?? { topic, partition, batchCount: 0, bytes: 0 };
    known.batchCount += 1;
    known.bytes += bytes.length;
    partitions.set(name, known);
  }
  return [...partitions.values()];
}
