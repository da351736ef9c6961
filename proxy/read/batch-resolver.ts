/**
 * From a placeholder to its real batch, wherever it is: the WAL file that it points to, or the
 * merged file or segment that workers have made of it. It promises the batch of that very pointer
 * or an error, never nothing and never another's bytes, and it raises the alarm when a batch is
 * nowhere (DESIGN §7).
 */
import type { Logger } from 'pino';
import { LRUCache } from 'lru-cache';
import type { OutriggerError } from '../../kafka/index.ts';
import { fileCreatedMs, walKey } from '../../storage/index.ts';
import { proxyError, type ProxyErrorCode } from '../errors.ts';
import type { BatchRequest, BatchSource, SourceOutcome } from './batch-source.ts';
import { ABSENT } from './lookup.ts';
import type { StoredSource } from './stored-source.ts';

/** Files of which the log has been told that they are gone or damaged. */
const ALARMED_FILES_MAX = 1_000;

export interface BatchResolverOptions {
  readonly wal: BatchSource;
  readonly stored: Pick<StoredSource, 'peek' | 'fetch' | 'fetchAnew' | 'giveBack'>;
  /** A WAL file that is older has probably been merged. */
  readonly unmergedAgeMsMax: number;
  /** Milliseconds since the epoch. */
  readonly wallMs: () => number;
  readonly log: Logger;
}

export class BatchResolver {
  readonly #options: BatchResolverOptions;
  readonly #alarmed = new LRUCache<bigint, true>({ max: ALARMED_FILES_MAX });

  constructor(options: BatchResolverOptions) {
    this.#options = options;
  }

  /**
   * The way without waiting, for what is in memory.
   * @returns the batch as `resolve` would, or undefined
   */
  peek(request: BatchRequest): Buffer | undefined {
    const { wal, stored } = this.#options;
    return wal.peek(request) ?? (this.#isOld(request) ? stored.peek(request) : undefined);
  }

  /**
   * Merged files are asked first for what is old, because they are contiguous, and last for
   * everything, because a WAL file is deleted once it is merged.
   *
   * @returns the batch, a view of shared memory: copy what you patch
   * @throws `PROXY_FILL_UNAVAILABLE` or `PROXY_VIEW_UNAVAILABLE` while store or journals cannot be
   *   asked (retriable), `PROXY_OBJECT_MISSING` or `PROXY_OBJECT_CORRUPT` for what an operator has
   *   to look into
   */
  async resolve(request: BatchRequest): Promise<Buffer> {
    const { wal, stored } = this.#options;
    const merged = this.#isOld(request) ? await this.#fetchMerged(request) : ABSENT;
    if (merged.kind === 'found') return merged.batch;
    const produced = await wal.fetch(request);
    if (produced.kind === 'found') return produced.batch;
    const last = await stored.fetchAnew(request);
    if (last.kind === 'found') return last.batch;
    const corrupt = [produced, last].find(({ kind }) => kind === 'corrupt');
    throw corrupt?.kind === 'corrupt'
      ? this.#alarm('PROXY_OBJECT_CORRUPT', 'cannot be read back', request, corrupt.cause)
      : this.#alarm('PROXY_OBJECT_MISSING', 'is gone from the object store', request, undefined);
  }

  /**
   * To be called once for each batch that `peek` or `resolve` gave, when it is not looked at any
   * more. Not calling it costs memory, until garbage is collected.
   */
  giveBack(batch: Buffer): void {
    this.#options.stored.giveBack(batch);
  }

  /** The WAL file is still to be asked, so nothing that is wrong here is the last word. */
  async #fetchMerged(request: BatchRequest): Promise<SourceOutcome> {
    try {
      return await this.#options.stored.fetch(request);
    } catch (error) {
      this.#options.log.debug({ err: error }, 'merged files cannot be asked');
      return ABSENT;
    }
  }

  #isOld({ pointer }: BatchRequest): boolean {
    const { wallMs, unmergedAgeMsMax } = this.#options;
    return wallMs() - fileCreatedMs(pointer.fileId) > unmergedAgeMsMax;
  }

  #alarm(
    code: ProxyErrorCode,
    what: string,
    request: BatchRequest,
    cause: unknown,
  ): OutriggerError {
    const { topic, partition, pointer, offset } = request;
    const key = walKey(pointer.fileId);
    const details = { key, topic, partition, offset, position: pointer.position };
    const error = proxyError(code, `An acknowledged batch ${what}.`, { details, cause });
    if (!this.#alarmed.has(pointer.fileId)) {
      this.#alarmed.set(pointer.fileId, true);
      this.#options.log.fatal({ err: error }, 'ALARM: acknowledged data cannot be served');
    }
    return error;
  }
}
