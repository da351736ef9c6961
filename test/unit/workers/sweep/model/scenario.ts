/** What may go wrong in one exploration, and which bug is planted in it. */
import { settledRange } from '../../../../../coordinator/index.ts';
import { SETTLED_RANGE_SIZE } from '../../../../../coordinator/redis/scripts.ts';
import { IDLE_SWEEPER, IDLE_WORKER, type Budget, type Counted, type State } from './state.ts';

export const BUGS = [
  'sample the high watermark',
  'sample any replica',
  'count after the sample',
  'believe a deposed leader',
  'believe a majority',
  'go by the name alone',
  'commit over another worker',
  'read on without looking back',
  'cut more than was lost',
  'as of, but for one file',
  'as of, and one more',
  'do not wait for what is not settled',
  'forget a partition that was never merged',
  'count the same numbers again',
  'compare the numbers of any two ranges',
  'one broker denies a topic',
  'begin anew when a topic is marked again',
] as const;
export type Bug = (typeof BUGS)[number];

/** What the rule rests on; lifted, the checker must find bytes lost. */
export type Assumption = 'no append after unsettled.ms' | 'what was lost stays lost';

export interface Scenario {
  readonly files: number;
  readonly workers: number;
  readonly budget: Partial<Budget>;
  /**
   * A file is appended and settled as soon as it is there, which leaves the sample the least time.
   */
  readonly isBrisk?: boolean;
  readonly bug?: Bug;
  readonly lifted?: Assumption;
}

const NO_FAULTS: Budget = {
  elections: 0,
  uncleanElections: 0,
  deaths: 0,
  cutConnections: 0,
  redisFaults: 0,
  redisForks: 0,
  deletions: 0,
  marks: 0,
};

export function initialState(scenario: Scenario): State {
  const budget = { ...NO_FAULTS, ...scenario.budget };
  const isMarked = budget.marks === 0;
  return {
    files: Array.from({ length: scenario.files }, () => ({
      object: 'none' as const,
      request: 'unsent' as const,
      member: 'waiting' as const,
      isOld: false,
    })),
    epoch: 0,
    views: [0, 0, 0],
    replicas: [
      { log: [], highWatermark: 0 },
      { log: [], highWatermark: 0 },
    ],
    topic: 1,
    topicView: 1,
    isLongGone: false,
    isMarked,
    startOffset: isMarked ? 0 : null,
    redis: [
      {
        counting: { range: 1, count: 0 },
        records: Array.from({ length: scenario.files }, () => 'unknown' as const),
      },
    ],
    journals: [
      { version: 0, known: null },
      { version: 0, known: null },
    ],
    workers: Array.from({ length: scenario.workers }, () => IDLE_WORKER),
    sweeper: IDLE_SWEEPER,
    budget,
  };
}

/** @returns the number as Redis gives it out */
export function numberOf({ range, count }: Counted): number {
  return range * SETTLED_RANGE_SIZE + count;
}

export function countedOf(number: number): Counted {
  const range = settledRange(number);
  return { range, count: number - range * SETTLED_RANGE_SIZE };
}
