/**
 * How far a run of a job is, for operators: what it has moved, what is ahead, and how long that
 * will take at the pace so far. Short runs are never shown.
 */
import type { Clock } from '../../runtime/index.ts';
import type { Progress } from '../group-job.ts';
import type { JobFigures } from './job-figures.ts';

/** Runs that are over sooner are not reported; between two reports passes as much. */
const REPORT_EVERY_MS = 5_000;

export interface ProgressReport {
  readonly records: number;
  readonly bytes: number;
  /** Declared so far; undefined if the job knows of none. */
  readonly bytesExpected?: number;
  /** Undefined while it cannot be told. */
  readonly secondsLeft?: number;
}

export interface JobProgressOptions {
  readonly figures: JobFigures;
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly report: (report: ProgressReport) => void;
}

export class JobProgress implements Progress {
  readonly #options: JobProgressOptions;
  readonly #startedMs: number;
  #reportAtMs: number;
  #records = 0;
  #bytes = 0;
  #bytesExpected = 0;

  constructor(options: JobProgressOptions) {
    this.#options = options;
    this.#startedMs = options.clock.monotonicMs();
    this.#reportAtMs = this.#startedMs + REPORT_EVERY_MS;
  }

  expect(bytes: number): void {
    this.#bytesExpected += bytes;
  }

  advance({ records, bytes }: { readonly records: number; readonly bytes: number }): void {
    const { figures, clock, report } = this.#options;
    figures.records += records;
    figures.bytes += bytes;
    this.#records += records;
    this.#bytes += bytes;
    const nowMs = clock.monotonicMs();
    if (nowMs < this.#reportAtMs) return;
    this.#reportAtMs = nowMs + REPORT_EVERY_MS;
    report(this.#report(nowMs));
  }

  #report(nowMs: number): ProgressReport {
    const moved = { records: this.#records, bytes: this.#bytes };
    if (this.#bytesExpected === 0) return moved;
    const bytesLeft = Math.max(0, this.#bytesExpected - this.#bytes);
    const withAhead = { ...moved, bytesExpected: this.#bytesExpected };
    if (this.#bytes === 0) return withAhead;
    const msPerByte = (nowMs - this.#startedMs) / this.#bytes;
    return { ...withAhead, secondsLeft: Math.round((bytesLeft * msPerByte) / 1_000) };
  }
}
