/**
 * The budgets that bound a member's memory, by stage. A frame may wait for a fill, and a fill for a
 * load, but never the other way round, so that no two can wait for each other.
 */
import { ByteBudget } from '../runtime/index.ts';
import type { ProxyOptions } from './proxy-options.ts';

export interface MemoryBudgets {
  /** Frames from clients, until they are forwarded. */
  readonly requests: ByteBudget;
  /** Frames from brokers, until their answers are sent. */
  readonly replies: ByteBudget;
  /** Real batches in answers that are not sent yet. */
  readonly fills: ByteBudget;
  /** What is read from segments for answers that are not made yet. */
  readonly stored: ByteBudget;
  /** Objects on their way from the object store. */
  readonly loads: ByteBudget;
}

export function memoryBudgets({ memory }: ProxyOptions): MemoryBudgets {
  return {
    requests: new ByteBudget(memory.requestBytesMax),
    replies: new ByteBudget(memory.responseBytesMax),
    fills: new ByteBudget(memory.fillBytesMax),
    stored: new ByteBudget(memory.laggingCacheBytesMax),
    loads: new ByteBudget(memory.laggingCacheBytesMax),
  };
}
