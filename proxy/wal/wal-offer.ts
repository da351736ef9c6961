/** What becomes of the batches that are offered to the WAL writer. */
import type { OutriggerError } from '../../kafka/index.ts';
import type { FileShare } from './commit-tracker.ts';

/** Where a batch is in its file: the position of its frame, and the batch's own bytes. */
export interface WalPosition {
  readonly position: number;
  readonly length: number;
}

export type WalOutcome =
  | {
      readonly kind: 'stored';
      readonly fileId: bigint;
      /** In the order of the batches offered. */
      readonly positions: readonly WalPosition[];
      /** Monotonic: after it no placeholder may be forwarded, and no acknowledgement passed on. */
      readonly commitByMs: number;
      /** To be told how the request ended. */
      readonly share: FileShare;
    }
  /** The batches are in no file that anyone will read: they may be forwarded as they are. */
  | { readonly kind: 'failed'; readonly error: OutriggerError };

export type WalOffer =
  /** Below break-even, or too large: forward the batches as they are, now. */
  | { readonly kind: 'real' }
  | { readonly kind: 'wal'; readonly uploaded: Promise<WalOutcome> }
  /** Not taken: read no more, and offer again when there is room. */
  | { readonly kind: 'full'; readonly room: Promise<void> }
  /** Not taken: the store does not take writes, or the writer is closed. */
  | { readonly kind: 'unavailable'; readonly error: OutriggerError };
