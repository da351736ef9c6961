/** What is measured. */
import type { StoreCounts } from './counting-store.ts';
import type { ApiCounts } from './large-brokers.ts';
import type { TurnFigures } from './turn-meter.ts';

/** What was asked of others since they began. */
export interface SiteCounts {
  readonly brokers: ApiCounts;
  readonly redisCommands: number;
  readonly redisBytes: number;
}

export interface RoundFigures {
  readonly name: string;
  readonly wallMs: number;
  readonly cpuMs: number;
  /** The longest turn of the event loop. */
  readonly turnMs: number;
  readonly site: SiteCounts;
  readonly store: StoreCounts;
}

export interface StartFigures {
  /** From the start of the process until each group has merged once: milliseconds. */
  readonly firstMergesMs: readonly number[];
  readonly cpuMs: number;
  readonly turns: TurnFigures;
  readonly residentBytes: number;
  readonly residentPeakBytes: number;
  readonly store: StoreCounts;
  readonly site: SiteCounts;
}

/** All that a run of the worker has shown. */
export interface WorkerFigures {
  readonly start: StartFigures;
  readonly rounds: readonly RoundFigures[];
  /** Lanes by themselves, each job in its interval. */
  readonly idle: {
    readonly seconds: number;
    readonly cpuSeconds: number;
    readonly turns: TurnFigures;
    readonly residentBytes: number;
    readonly counts: SiteCounts;
  };
}
