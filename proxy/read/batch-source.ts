/**
 * The contract between the batch resolver and the places where a real batch may be. A source says
 * found, absent or corrupt of one batch; what that means for the consumer is the resolver's to say.
 */
import type { Pointer } from '../../kafka/index.ts';

/** The real batch that a placeholder stands for. */
export interface BatchRequest {
  readonly topic: string;
  /** Null if it is not known: then only WAL files can be searched, which go by names. */
  readonly topicId: string | null;
  readonly partition: number;
  readonly pointer: Pointer;
  /** The placeholder's base offset. */
  readonly offset: bigint;
  /** The placeholder as the broker has it: a view, to be copied by whoever keeps it. */
  readonly placeholder: Buffer;
}

export type SourceOutcome =
  /**
   * The batch: as it was produced, without the log's offsets, or as consumers get it already. A
   * view of memory that is shared with other readers: copy what you patch, and do not keep it.
   */
  | { readonly kind: 'found'; readonly batch: Buffer }
  /** The source does not have it. */
  | { readonly kind: 'absent' }
  /** The source has something in its place, and not by a fault on the way. */
  | { readonly kind: 'corrupt'; readonly cause: unknown };

export interface BatchSource {
  /** @returns the batch if it is in memory; undefined says nothing about where it is */
  peek(request: BatchRequest): Buffer | undefined;

  /** @throws a retriable `PROXY_…` while the source cannot be asked */
  fetch(request: BatchRequest): Promise<SourceOutcome>;
}
