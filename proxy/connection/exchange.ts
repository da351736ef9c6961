/** One request on its way through a client connection, and what becomes of it. */
import type { ForwardOutcome, Handled, Reply } from './handler.ts';

export interface Exchange {
  correlationId: number;
  /** Releases the request's frame. */
  readonly release: () => void;
  /** Null until the handler has decided. */
  handled: Handled | null;
  forwarded: boolean;
  /** Whether the handler was told how its request ended. */
  ended: boolean;
  /** Undefined until the answer is known; null when the client gets none. */
  reply: Reply | null | undefined;
}

/** @param release releases the request's frame, however often it is called */
export function newExchange(release: () => void): Exchange {
  return {
    correlationId: 0,
    release,
    handled: null,
    forwarded: false,
    ended: false,
    reply: undefined,
  };
}

/** Tells the handler how its forwarded request ended, once. */
export function endExchange(exchange: Exchange, outcome: ForwardOutcome): void {
  if (exchange.ended || exchange.handled?.kind !== 'forward') return;
  exchange.ended = true;
  exchange.handled.ended?.(outcome);
}
