/**
 * The requests that wait for their WAL file, oldest first, and whoever waits for room among them.
 * It counts and keeps order; when a file is cut is the policy's business.
 */
import { walFrameBytes, type WalBatch } from '../../storage/index.ts';
import { countForFile } from './flush-policy.ts';
import type { WalOutcome } from './wal-offer.ts';

export interface BufferedRequest {
  readonly batches: readonly WalBatch[];
  readonly frameBytes: number;
  /** Monotonic. */
  readonly offeredMs: number;
  /** Takes the outcome, once. */
  readonly end: (outcome: WalOutcome) => void;
}

interface Room {
  readonly promise: Promise<void>;
  readonly open: () => void;
}

export class RequestBuffer {
  readonly #bytesMax: number;
  readonly #requests: BufferedRequest[] = [];
  #bytes = 0;
  #room: Room | undefined;

  /** @param bytesMax frame bytes at most, unless a single request is larger */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get count(): number {
    return this.#requests.length;
  }

  get oldest(): BufferedRequest | undefined {
    return this.#requests[0];
  }

  hasRoomFor(frameBytes: number): boolean {
    return this.#requests.length === 0 || this.#bytes + frameBytes <= this.#bytesMax;
  }

  /** @returns a promise that is kept when something leaves the buffer */
  room(): Promise<void> {
    if (this.#room === undefined) {
      let open = (): void => undefined;
      const promise = new Promise<void>((resolve) => {
        open = resolve;
      });
      this.#room = { promise, open };
    }
    return this.#room.promise;
  }

  push(request: BufferedRequest): void {
    this.#requests.push(request);
    this.#bytes += request.frameBytes;
  }

  /** Removes what fits into a file of `maxBytes`: at least one request, if there is one. */
  takeFile(maxBytes: number): BufferedRequest[] {
    return this.#take(countForFile(this.#requests, maxBytes));
  }

  /** Removes the requests that were offered at or before that time. */
  takeOfferedUntil(offeredMs: number): BufferedRequest[] {
    const rest = this.#requests.findIndex((request) => request.offeredMs > offeredMs);
    return this.#take(rest === -1 ? this.#requests.length : rest);
  }

  takeAll(): BufferedRequest[] {
    return this.#take(this.#requests.length);
  }

  #take(count: number): BufferedRequest[] {
    if (count === 0) return [];
    const taken = this.#requests.splice(0, count);
    for (const { frameBytes } of taken) this.#bytes -= frameBytes;
    this.#room?.open();
    this.#room = undefined;
    return taken;
  }
}

/** @returns the bytes that the batches take in a WAL file, its header and footer apart */
export function sumFrameBytes(batches: readonly WalBatch[]): number {
  let bytes = 0;
  for (const batch of batches) bytes += walFrameBytes(batch.topic, batch.bytes.length);
  return bytes;
}
