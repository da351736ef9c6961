/**
 * Brings one WAL file into the bucket, or says that it could not. Each attempt is a put-if-absent
 * under an id of its own: after "exists", an error or a timeout nobody knows whose bytes a key
 * holds, so it is never used again, and what may lie there is an orphan for the sweeper (DESIGN
 * §6).
 */
import { hasCode, OutriggerError } from '../../kafka/index.ts';
import { newFileId, walKey, type BuiltWalFile, type ObjectStore } from '../../storage/index.ts';
import { proxyError } from '../errors.ts';
import type { Clock } from '../../runtime/index.ts';
import type { StoreHealth } from './store-health.ts';

const ATTEMPTS_MAX = 8;
const BACKOFF_MS_MIN = 100;
const BACKOFF_MS_MAX = 2_000;

export interface WalUploaderOptions {
  readonly store: ObjectStore;
  readonly health: StoreHealth;
  readonly clock: Clock;
  /** 22 random bits. */
  readonly random22: () => number;
  /** How long one PUT may take. */
  readonly putTimeoutMs: number;
}

export type UploadOutcome =
  /** In the bucket under `fileId`, made at `createdMs` (monotonic). */
  | { readonly kind: 'stored'; readonly fileId: bigint; readonly createdMs: number }
  | { readonly kind: 'failed'; readonly error: OutriggerError };

export class WalUploader {
  readonly #options: WalUploaderOptions;

  constructor(options: WalUploaderOptions) {
    this.#options = options;
  }

  /**
   * Tries until the file is stored, the store is failing, or there is no time left.
   * @param giveUpMs monotonic: nothing is awaited beyond it
   */
  async upload(built: BuiltWalFile, giveUpMs: number): Promise<UploadOutcome> {
    const { clock, health } = this.#options;
    let backoffMs = BACKOFF_MS_MIN;
    let lastError: unknown;
    for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
      const createdMs = clock.monotonicMs();
      if (createdMs >= giveUpMs || health.state === 'failing') break;
      const fileId = newFileId(clock.wallMs(), this.#options.random22());
      try {
        const outcome = await this.#put(walKey(fileId), built, giveUpMs - createdMs);
        health.succeeded();
        if (outcome === 'stored') return { kind: 'stored', fileId, createdMs };
      } catch (error) {
        lastError = error;
        health.failed(createdMs, error);
        const triedMs = clock.monotonicMs();
        if (isFinal(error) || triedMs + backoffMs >= giveUpMs) break;
        if (health.state === 'ok') await new Promise<void>((on) => clock.after(backoffMs, on));
        backoffMs = Math.min(BACKOFF_MS_MAX, backoffMs * 2);
      }
    }
    return { kind: 'failed', error: uploadFailed(lastError) };
  }

  /**
   * Writes a small object over whatever was there, to see whether the store takes writes.
   * @throws whatever the store throws
   */
  async probe(key: string): Promise<void> {
    const body = Buffer.from('Written by a member to see whether the store takes writes.\n');
    const { store, putTimeoutMs } = this.#options;
    await this.#within(putTimeoutMs, (signal) => store.put(key, body, { signal }));
  }

  async #put(key: string, built: BuiltWalFile, leftMs: number): Promise<'stored' | 'exists'> {
    const { store, putTimeoutMs } = this.#options;
    const { file, crc32c } = built;
    const outcome = await this.#within(Math.min(putTimeoutMs, leftMs), (signal) =>
      store.putIfAbsent(key, file, { crc32c, signal }),
    );
    return outcome.kind;
  }

  async #within<T>(timeoutMs: number, call: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const abort = new AbortController();
    const cancel = this.#options.clock.after(timeoutMs, () => abort.abort());
    try {
      return await call(abort.signal);
    } finally {
      cancel();
    }
  }
}

/** A timeout of ours shows as an abort, and is worth another attempt. */
function isFinal(error: unknown): boolean {
  if (hasCode(error, 'STORAGE_ABORTED')) return false;
  return error instanceof OutriggerError && !error.retriable;
}

/** @returns the error for requests whose file did not get into the bucket */
export function uploadFailed(cause: unknown): OutriggerError {
  const message = 'A WAL file could not be written to the object store. See the cause.';
  return proxyError('PROXY_WAL_UPLOAD_FAILED', message, { retriable: true, cause });
}
