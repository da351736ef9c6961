/**
 * From a placeholder to its real batch, wherever it is: asks its sources in order and takes the
 * first answer. It promises the batch of that very pointer or an error, never nothing and never
 * another's bytes, and it raises the alarm when a batch is in no source (DESIGN §7).
 */
import type { Logger } from 'pino';
import { LRUCache } from 'lru-cache';
import type { OutriggerError } from '../../kafka/index.ts';
import { walKey } from '../../storage/index.ts';
import { proxyError, type ProxyErrorCode } from '../errors.ts';
import type { BatchRequest, BatchSource } from './batch-source.ts';

/** Files of which the log has been told that they are gone or damaged. */
const ALARMED_FILES_MAX = 1_000;

export class BatchResolver {
  readonly #sources: readonly BatchSource[];
  readonly #log: Logger;
  readonly #alarmed = new LRUCache<bigint, true>({ max: ALARMED_FILES_MAX });

  /** @param sources in the order in which they are asked */
  constructor(sources: readonly BatchSource[], log: Logger) {
    this.#sources = sources;
    this.#log = log;
  }

  /**
   * The way without waiting, for what is in memory.
   * @returns the batch as `resolve` would, or undefined
   */
  peek(request: BatchRequest): Buffer | undefined {
    for (const source of this.#sources) {
      const batch = source.peek(request);
      if (batch !== undefined) return batch;
    }
    return undefined;
  }

  /**
   * @returns the batch as it was produced, a view of shared memory: copy what you patch
   * @throws `PROXY_FILL_UNAVAILABLE` while the store cannot be asked (retriable),
   *   `PROXY_OBJECT_MISSING` or `PROXY_OBJECT_CORRUPT` for what an operator has to look into
   */
  async resolve(request: BatchRequest): Promise<Buffer> {
    let corrupt: { readonly cause: unknown } | undefined;
    for (const source of this.#sources) {
      const outcome = await source.fetch(request);
      if (outcome.kind === 'found') return outcome.batch;
      if (outcome.kind === 'corrupt') corrupt = outcome;
    }
    throw corrupt === undefined
      ? this.#alarm('PROXY_OBJECT_MISSING', 'is gone from the object store', request, undefined)
      : this.#alarm('PROXY_OBJECT_CORRUPT', 'cannot be read back', request, corrupt.cause);
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
      this.#log.fatal({ err: error }, 'ALARM: acknowledged data cannot be served');
    }
    return error;
  }
}
