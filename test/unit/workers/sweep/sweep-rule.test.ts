import { expect, test } from 'vitest';
import { SETTLED_RANGE_SIZE } from '../../../../coordinator/redis/scripts.ts';
import { provesAsOf } from '../../../../workers/sweep/sample-rule.ts';
import {
  decideSweep,
  type FileFacts,
  type PartitionFact,
} from '../../../../workers/sweep/sweep-rule.ts';

const TIMES = { marginMs: 10, unsettledMs: 100, absentMs: 50 };
const LOG_END = { count: 7, leaderEpoch: 3, endOffset: 20n };

function facts(partitions: readonly PartitionFact[], change: Partial<FileFacts> = {}): FileFacts {
  return { settledNumber: 5, countingIn: 0, agesMs: [10], partitions, ...change };
}

function merged(asOf: number | null | undefined): PartitionFact {
  return { kind: 'present', asOf };
}

test('a file goes once every partition is as of its number', () => {
  expect(decideSweep(facts([merged(5), merged(6)]), TIMES).kind).toBe('delete');
  const verdict = decideSweep(facts([merged(5), merged(4), merged(null)]), TIMES);
  expect(verdict).toEqual({ kind: 'keep', reason: 'not-merged', waitsFor: [1, 2] });
});

test('a partition that no journal knows keeps the file', () => {
  const verdict = decideSweep(facts([merged(undefined)]), TIMES);
  expect(verdict).toEqual({ kind: 'keep', reason: 'not-merged', waitsFor: [0] });
});

test('a file without partitions goes', () => {
  expect(decideSweep(facts([]), TIMES).kind).toBe('delete');
});

test('every clock must have seen the time pass, and there must be one', () => {
  for (const agesMs of [[9], [10, 9], [], [-5, 1_000]]) {
    const verdict = decideSweep(facts([merged(5)], { agesMs }), TIMES);
    expect(verdict).toMatchObject({ kind: 'keep', reason: 'young' });
    const unsettled = decideSweep(facts([], { agesMs, settledNumber: undefined }), TIMES);
    expect(unsettled).toMatchObject({ kind: 'keep', reason: 'unsettled' });
  }
});

test('what is not settled is given up in time, and no sooner', () => {
  const unsettled = { settledNumber: undefined };
  expect(decideSweep(facts([], { ...unsettled, agesMs: [100, 100] }), TIMES).kind).toBe('abandon');
  expect(decideSweep(facts([], { ...unsettled, agesMs: [100, 99] }), TIMES).kind).toBe('keep');
});

test('a topic that brokers deny counts as gone after a while, and not while one is silent', () => {
  const gone = facts([{ kind: 'absent', forMs: [50, 60] }]);
  const justGone = facts([{ kind: 'absent', forMs: [50, 1] }]);
  expect(decideSweep(gone, TIMES).kind).toBe('delete');
  expect(decideSweep(justGone, TIMES)).toMatchObject({ kind: 'keep', reason: 'just-deleted' });
  expect(decideSweep(facts([{ kind: 'unknown' }]), TIMES)).toMatchObject({ reason: 'uncertain' });
});

test('numbers of two ranges are compared as seen by the Redis that counts in the newer one', () => {
  const newer = 2 * SETTLED_RANGE_SIZE + 1;
  const judged = (countingIn: number | undefined) => {
    return decideSweep(facts([merged(newer)], { countingIn }), TIMES).kind;
  };
  expect(judged(2)).toBe('delete');
  expect(judged(0)).toBe('keep');
  expect(judged(3)).toBe('keep');
  expect(judged(undefined)).toBe('keep');
});

test('a sample counts once the cursor has reached its end under its epoch', () => {
  expect(provesAsOf(LOG_END, { cursor: 20n, leaderEpoch: 3 }, null)).toBe(true);
  expect(provesAsOf(LOG_END, { cursor: 19n, leaderEpoch: 3 }, null)).toBe(false);
  expect(provesAsOf(LOG_END, { cursor: 20n, leaderEpoch: 4 }, null)).toBe(false);
  expect(provesAsOf(LOG_END, { cursor: 20n, leaderEpoch: undefined }, null)).toBe(false);
});

test('asOf never goes back', () => {
  expect(provesAsOf(LOG_END, { cursor: 20n, leaderEpoch: 3 }, 7)).toBe(true);
  expect(provesAsOf(LOG_END, { cursor: 20n, leaderEpoch: 3 }, 8)).toBe(false);
});
