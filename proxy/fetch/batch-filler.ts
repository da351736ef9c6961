/**
 * Fills placeholders: fetches the real batches and patches in what the broker assigned. Owns the
 * memory of what is being filled: bytes are reserved before the first of them is fetched, and the
 * work is done in slices, so that produces in between do not wait for it.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { KafkaErrorCode, OutriggerError, restoreBatch } from '../../kafka/index.ts';
import type { Logger } from 'pino';
import type { ByteBudget } from '../net/byte-budget.ts';
import type { BatchResolver } from '../read/batch-resolver.ts';
import type { LogBatch } from './log-batches.ts';

/** After this many bytes others get a turn. */
const SLICE_BYTES = 1024 * 1024;

/** The batches of one partition that are to be sent. */
export interface FillDemand {
  readonly topic: string;
  readonly partition: number;
  readonly batches: readonly LogBatch[];
}

/** What is sent of a partition: as many batches, from the first, as could be had. */
export interface Filled {
  readonly chunks: readonly Buffer[];
  readonly batchCount: number;
  /** Set if not even the first batch could be had. */
  readonly errorCode: number;
}

export interface FillResult {
  /** One for each demand. */
  readonly filled: readonly Filled[];
  /** Gives back the memory; to be called once, when the bytes are sent or given up. */
  readonly release: () => void;
}

export class BatchFiller {
  readonly #resolver: BatchResolver;
  readonly #budget: ByteBudget;
  readonly #log: Logger;

  /** @param budget bounds the real bytes in answers that are not sent yet */
  constructor(resolver: BatchResolver, budget: ByteBudget, log: Logger) {
    this.#resolver = resolver;
    this.#budget = budget;
    this.#log = log;
  }

  /** @param demands what to send, already cut to the client's limits */
  async fill(demands: readonly FillDemand[]): Promise<FillResult> {
    let bytes = 0;
    for (const { batches } of demands) {
      for (const { pointer } of batches) bytes += pointer?.length ?? 0;
    }
    await this.#budget.acquire(bytes);
    try {
      const filled = await this.#fillAll(demands);
      return { filled, release: () => this.#budget.release(bytes) };
    } catch (error) {
      this.#budget.release(bytes);
      throw error;
    }
  }

  async #fillAll(demands: readonly FillDemand[]): Promise<Filled[]> {
    const resolved = await Promise.all(demands.map((demand) => this.#resolve(demand)));
    const filled: Filled[] = [];
    let sliceBytes = 0;
    for (const [index, demand] of demands.entries()) {
      const { reals, errorCode } = resolved[index] ?? { reals: [], errorCode: 0 };
      const chunks: Buffer[] = [];
      for (const [position, real] of reals.entries()) {
        const batch = demand.batches[position];
        if (batch === undefined) break;
        if (batch.pointer === null) chunks.push(batch.bytes);
        else chunks.push(...restoreBatch(real, batch.bytes));
        sliceBytes += real.length;
        if (sliceBytes < SLICE_BYTES) continue;
        sliceBytes = 0;
        await nextTurn();
      }
      filled.push({ chunks, batchCount: reals.length, errorCode });
    }
    return filled;
  }

  /** The real batches of a demand up to the first that cannot be had. */
  async #resolve(demand: FillDemand): Promise<{ reals: Buffer[]; errorCode: number }> {
    const pending = demand.batches.map((batch) => this.#resolveOne(demand, batch));
    const reals: Buffer[] = [];
    for (const one of pending) {
      // Only what is not in memory is awaited: a fetch of the log's end costs no turn per batch.
      const real = one instanceof Promise ? await one : one;
      if (typeof real === 'number') return { reals, errorCode: reals.length === 0 ? real : 0 };
      reals.push(real);
    }
    return { reals, errorCode: 0 };
  }

  /** @returns the batch, or the error that the consumer gets */
  #resolveOne(
    { topic, partition }: FillDemand,
    { bytes, pointer, unknown }: LogBatch,
  ): Buffer | number | Promise<Buffer | number> {
    if (unknown !== null) {
      const facts = { topic, partition, pointer: unknown };
      this.#log.error(facts, 'ALARM: a placeholder of an unknown version or key cannot be served');
      return KafkaErrorCode.REPLICA_NOT_AVAILABLE;
    }
    if (pointer === null) return bytes;
    const request = { topic, partition, pointer, offset: bytes.readBigInt64BE(0) };
    const real = this.#resolver.peek(request);
    if (real !== undefined) return real;
    return this.#resolver.resolve(request).catch((error: unknown) => this.#errorCodeOf(error));
  }

  /**
   * Retriable in every client, and never 2 or 7: Java's consumer throws on those, or skips. What is
   * lost for good is a storage error, which clients retry too but most of them report.
   */
  #errorCodeOf(error: unknown): number {
    if (!(error instanceof OutriggerError)) throw error;
    this.#log.warn({ err: error }, 'a batch could not be fetched from the object store');
    return error.retriable
      ? KafkaErrorCode.REPLICA_NOT_AVAILABLE
      : KafkaErrorCode.KAFKA_STORAGE_ERROR;
  }
}
