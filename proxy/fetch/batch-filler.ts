/**
 * Fills placeholders: fetches the real batches and patches in what the broker assigned. Memory for
 * them is reserved before the first is fetched, and given back when the answer is sent or given up.
 */
import { KafkaErrorCode, OutriggerError, restoreBatch } from '../../kafka/index.ts';
import type { UnknownPointer } from '../../kafka/index.ts';
import type { Logger } from 'pino';
import { nextTurn } from '../../runtime/index.ts';
import type { Reply } from '../connection/handler.ts';
import { proxyError } from '../errors.ts';
import type { BatchResolver } from '../read/batch-resolver.ts';
import type { BatchRequest } from '../read/batch-source.ts';
import type { LogBatch } from './log-batches.ts';
import { Pace } from '../pace.ts';
import type { SlabPool, Slabs } from './slab-pool.ts';

/** What is sent of a partition: as many batches, from the first, as could be had. */
export interface Filled {
  readonly chunks: readonly Buffer[];
  readonly batchCount: number;
  /** Set if not even the first batch could be had. */
  readonly errorCode: number;
}

export interface FilledReply {
  readonly reply: Reply;
  /** Whether nothing could be had of what was to be filled. */
  readonly failed: boolean;
}

/**
 * A batch of the log, and what is sent for it: bytes, why there are none, or either of them later.
 */
interface Sought {
  readonly batch: LogBatch;
  readonly real: Buffer | Error | Promise<Buffer | Error>;
}

export class BatchFiller {
  readonly #resolver: BatchResolver;
  readonly #pool: SlabPool;
  readonly #log: Logger;
  /** What could not be fetched because the store could not be asked, until something could. */
  #unreachable: BatchRequest | null = null;
  /** Whether the log has been told that the store cannot be asked; each consumer asks on and on. */
  #toldUnreachable = false;
  /** Versions and keys are bytes, so there are at most 512 of them. */
  readonly #alarmed = new Set<string>();

  /** @param pool bounds the real bytes in answers that are not sent yet */
  constructor(resolver: BatchResolver, pool: SlabPool, log: Logger) {
    this.#resolver = resolver;
    this.#pool = pool;
    this.#log = log;
  }

  /**
   * @param demands for each partition the batches to send, already cut to the client's limits
   * @param build makes the answer of what could be had, in the order of the demands
   */
  async fillBatches(
    demands: readonly (readonly LogBatch[])[],
    build: (filled: readonly Filled[]) => Reply,
  ): Promise<FilledReply> {
    const slabs = await this.#pool.reserve(bytesToFill(demands));
    try {
      const filled = await this.#fillAll(demands, slabs);
      const reply = build(filled);
      const failed = filled.every(({ batchCount }) => batchCount === 0);
      if (failed) slabs.release();
      return { reply: failed ? reply : { ...reply, release: () => slabs.release() }, failed };
    } catch (error) {
      slabs.release();
      throw error;
    }
  }

  /**
   * After the store could not be asked for a batch, asks for that batch again, so that nothing else
   * has to be tried only to see whether the store is back.
   */
  async isWorking(): Promise<boolean> {
    const request = this.#unreachable;
    if (request === null) return true;
    try {
      await this.#resolver.resolve(request);
    } catch (error) {
      if (error instanceof OutriggerError && error.retriable) return false;
    }
    if (this.#unreachable === request) this.#unreachable = null;
    return true;
  }

  async #fillAll(demands: readonly (readonly LogBatch[])[], slabs: Slabs): Promise<Filled[]> {
    const sought = await this.#seekAll(demands);
    const pace = new Pace();
    const filled: Filled[] = [];
    for (const batches of sought) {
      const chunks: Buffer[] = [];
      let batchCount = 0;
      let failure: Error | undefined;
      for (const { batch, real: found } of batches) {
        // Only what is not in memory is awaited: a fetch of the log's end costs no turn per batch.
        const real = found instanceof Promise ? await found : found;
        if (real instanceof Error) {
          failure = real;
          break;
        }
        if (batch.isShared) slabs.write(real);
        else if (batch.wanted === null) chunks.push(...slabs.cut(), real);
        else {
          for (const piece of restoreBatch(real, batch.bytes)) slabs.write(piece);
          this.#resolver.giveBack(real);
        }
        batchCount += 1;
        if (pace.isDue(real.length)) await nextTurn();
      }
      chunks.push(...slabs.cut());
      const errorCode = failure === undefined ? 0 : this.#errorCodeOf(failure);
      filled.push({ chunks, batchCount, errorCode: batchCount === 0 ? errorCode : 0 });
    }
    return filled;
  }

  /** Starts the fetching of everything that is not in memory. */
  async #seekAll(demands: readonly (readonly LogBatch[])[]): Promise<Sought[][]> {
    const pace = new Pace();
    const all: Sought[][] = [];
    for (const batches of demands) {
      const sought: Sought[] = [];
      for (const batch of batches) {
        sought.push({ batch, real: this.#seek(batch) });
        if (pace.isDue(batch.realBytes)) await nextTurn();
      }
      all.push(sought);
    }
    return all;
  }

  #seek({ bytes, wanted, unknown, failure }: LogBatch): Sought['real'] {
    if (failure !== null) return failure;
    if (unknown !== null) return this.#alarm(unknown);
    if (wanted === null) return bytes;
    const real = this.#resolver.peek(wanted);
    if (real !== undefined) return real;
    return this.#resolve(wanted);
  }

  /** One alarm for each version and key; it goes on failing until an operator has seen to it. */
  #alarm(unknown: UnknownPointer): Error {
    const details = { ...unknown };
    const message = 'a placeholder of an unknown version, key or topic cannot be served';
    const error = proxyError('PROXY_PLACEHOLDER_UNKNOWN', message, { retriable: true, details });
    const name = JSON.stringify(unknown);
    if (!this.#alarmed.has(name)) this.#log.fatal({ err: error }, `ALARM: ${message}`);
    this.#alarmed.add(name);
    return error;
  }

  /** Never rejects: several of these run before the first is awaited. */
  async #resolve(wanted: BatchRequest): Promise<Buffer | Error> {
    try {
      const real = await this.#resolver.resolve(wanted);
      this.#unreachable = null;
      this.#toldUnreachable = false;
      return real;
    } catch (error) {
      if (!(error instanceof OutriggerError)) return new Error('a source failed', { cause: error });
      if (error.retriable) this.#unreachable = kept(wanted);
      return error;
    }
  }

  /**
   * Retriable in every client, and never 2 or 7: Java's consumer throws on those, or skips. What is
   * lost for good is a storage error, which clients retry too but most of them report.
   */
  #errorCodeOf(error: Error): number {
    if (!(error instanceof OutriggerError)) throw error;
    // Of what is lost for good an alarm has told, once.
    const isNews = error.retriable && !this.#toldUnreachable;
    this.#toldUnreachable ||= error.retriable;
    this.#log[isNews ? 'warn' : 'debug']({ err: error }, 'a batch could not be served');
    return error.retriable
      ? KafkaErrorCode.REPLICA_NOT_AVAILABLE
      : KafkaErrorCode.KAFKA_STORAGE_ERROR;
  }
}

/** A request that does not hold on to the answer that it came from. */
function kept(wanted: BatchRequest): BatchRequest {
  return { ...wanted, placeholder: Buffer.from(wanted.placeholder) };
}

function bytesToFill(demands: readonly (readonly LogBatch[])[]): number {
  let bytes = 0;
  for (const batches of demands) {
    for (const { wanted, isShared, realBytes } of batches) {
      if (wanted !== null || isShared) bytes += realBytes;
    }
  }
  return bytes;
}
