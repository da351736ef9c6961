/**
 * Knows when a WAL file is settled: when the broker has answered for every placeholder of it that
 * was sent (DESIGN §2, §9). The sweeper deletes settled files long before others, so a file with
 * one answer lost must never be called settled: the broker may still append that request.
 *
 * Memory: one record per file, held by the shares of its requests alone and gone with the last.
 */
import assert from 'node:assert/strict';
import type { ForwardOutcome } from '../connection/handler.ts';

/** One request's part in a WAL file. */
export interface FileShare {
  /**
   * Says what became of the request whose placeholders point into the file. Call exactly once;
   * 'unsent' for a request of which no placeholder was ever written to the broker.
   */
  ended(outcome: ForwardOutcome): void;
}

interface TrackedFile {
  readonly fileId: bigint;
  sharesOpen: number;
  lost: boolean;
}

export interface CommitTrackerStats {
  /** Files with requests whose end is not known yet. */
  readonly open: number;
  readonly settled: number;
  /** Files that can never settle, because an answer was lost. */
  readonly unsettled: number;
}

export class CommitTracker {
  readonly #onSettled: (fileId: bigint) => void;
  #open = 0;
  #settled = 0;
  #unsettled = 0;

  /** @param onSettled called once per settled file */
  constructor(onSettled: (fileId: bigint) => void) {
    this.#onSettled = onSettled;
  }

  get stats(): CommitTrackerStats {
    return { open: this.#open, settled: this.#settled, unsettled: this.#unsettled };
  }

  /**
   * @param fileId a file that is in the bucket
   * @param requests how many requests have batches in it
   * @returns one share per request
   */
  track(fileId: bigint, requests: number): FileShare[] {
    assert.ok(requests > 0, 'a file holds at least one request');
    const file: TrackedFile = { fileId, sharesOpen: requests, lost: false };
    this.#open += 1;
    return Array.from({ length: requests }, () => this.#share(file));
  }

  #share(file: TrackedFile): FileShare {
    let open = true;
    return {
      ended: (outcome) => {
        assert.ok(open, 'a request ends once');
        open = false;
        this.#end(file, outcome);
      },
    };
  }

  #end(file: TrackedFile, outcome: ForwardOutcome): void {
    if (outcome === 'lost') file.lost = true;
    file.sharesOpen -= 1;
    if (file.sharesOpen > 0) return;
    this.#open -= 1;
    if (file.lost) {
      this.#unsettled += 1;
      return;
    }
    this.#settled += 1;
    this.#onSettled(file.fileId);
  }
}
