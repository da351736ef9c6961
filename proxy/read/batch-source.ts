/**
 * The contract between the batch resolver and the places where a real batch may be. A source says
 * found, absent or corrupt of one batch; what that means for the consumer is the resolver's to say.
 */
import type { Pointer } from '../../kafka/index.ts';

/** The real batch that a placeholder stands for. */
export interface BatchRequest {
  readonly topic: string;
  readonly partition: number;
  readonly pointer: Pointer;
  /** The placeholder's base offset. */
  readonly offset: bigint;
}

export type SourceOutcome =
  /**
   * The batch as it was produced: its base offset and leader epoch are not yet the log's. A view of
   * memory that is shared with other readers: copy what you patch, and do not keep it.
   */
  | { readonly kind: 'found'; readonly batch: Buffer }
  /** The source does not have it. */
  | { readonly kind: 'absent' }
  /** The source has something in its place, and not by a fault on the way. */
  | { readonly kind: 'corrupt'; readonly cause: unknown };

export interface BatchSource {
  /** @returns the batch if it is in memory; undefined says nothing about where it is */
  peek(request: BatchRequest): Buffer | undefined;

  /** @throws `PROXY_FILL_UNAVAILABLE` (retriable) while the source cannot be asked */
  fetch(request: BatchRequest): Promise<SourceOutcome>;
}
