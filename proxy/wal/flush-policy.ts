/**
 * When a WAL file is cut from the buffer, and which requests go into it: pure functions of what is
 * buffered, without clock, timer or store, so that a model can check them (DESIGN §6).
 *
 * Promises: nothing stays buffered longer than the linger plus the wait for an upload slot; a file
 * holds at most `maxBytes` of frames unless its only request is larger; a flush ahead of the linger
 * happens only while no upload is in flight and the PUT budget has a token.
 */

export interface FlushLimits {
  /** Frame bytes at which a file is full. */
  readonly maxBytes: number;
  /** Frame bytes below which a PUT costs more than replicating them: no early flush of less. */
  readonly minBytes: number;
  /** How long a request may wait for others to share its file. */
  readonly lingerMs: number;
  /** How many uploads may be in flight at once. */
  readonly uploadsMax: number;
}

export interface FlushState {
  /** Frame bytes in the buffer. */
  readonly bytes: number;
  /** When the oldest buffered request came, in monotonic milliseconds; undefined when empty. */
  readonly oldestMs: number | undefined;
  readonly uploadsInFlight: number;
  /** When the PUT budget has its next token, in monotonic milliseconds; in the past: it has one. */
  readonly putReadyMs: number;
}

/**
 * Why a file was cut: it was full, its oldest request waited long enough, or no PUT was under way.
 */
export type FlushReason = 'size' | 'linger' | 'idle';

export type FlushDecision =
  | { readonly kind: 'flush'; readonly reason: FlushReason }
  /** Ask again at that time, if nothing happens before. */
  | { readonly kind: 'wait'; readonly untilMs: number }
  /** Ask again at the next offer or the end of an upload. */
  | { readonly kind: 'rest' };

const REST: FlushDecision = { kind: 'rest' };

/** @returns what to do with the buffer at `nowMs` (monotonic) */
export function decideFlush(limits: FlushLimits, state: FlushState, nowMs: number): FlushDecision {
  if (state.oldestMs === undefined || state.uploadsInFlight >= limits.uploadsMax) return REST;
  if (state.bytes >= limits.maxBytes) return { kind: 'flush', reason: 'size' };
  const lingerEndsMs = state.oldestMs + limits.lingerMs;
  if (nowMs >= lingerEndsMs) return { kind: 'flush', reason: 'linger' };
  if (state.uploadsInFlight > 0 || state.bytes < limits.minBytes) {
    return { kind: 'wait', untilMs: lingerEndsMs };
  }
  if (nowMs >= state.putReadyMs) return { kind: 'flush', reason: 'idle' };
  return { kind: 'wait', untilMs: Math.min(lingerEndsMs, state.putReadyMs) };
}

/**
 * @param requests what is buffered, oldest first
 * @returns how many of them the next file takes: as many as fit, and at least one if there is one
 */
export function countForFile(
  requests: Iterable<{ readonly frameBytes: number }>,
  maxBytes: number,
): number {
  let count = 0;
  let bytes = 0;
  for (const { frameBytes } of requests) {
    bytes += frameBytes;
    if (count > 0 && bytes > maxBytes) break;
    count += 1;
  }
  return count;
}
