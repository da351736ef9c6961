/** What the measuring process and the worker's process say to each other. */
import type { SiteCounts, WorkerFigures } from './figures.ts';

/** What the worker's process is told at its start, as JSON in its only argument. */
export interface WorkerOrder {
  readonly bootstrap: string;
  readonly redisUrl: string;
  readonly storeUrl: string;
  readonly groups: number;
  /** How long the lanes run by themselves at the end. */
  readonly idleSeconds: number;
}

export type Question =
  | { readonly kind: 'counts' }
  /** New batches in the logs of the busy partitions. */
  | { readonly kind: 'append' }
  | { readonly kind: 'done'; readonly figures: WorkerFigures };

export type Answer =
  | { readonly kind: 'counts'; readonly counts: SiteCounts }
  | { readonly kind: 'appended' };
