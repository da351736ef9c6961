/** The checker of the fault tests finds each of the faults that it is there for. */
import { describe, expect, test } from 'vitest';
import { History } from '../../faults/support/history.ts';

function historyOf(...lines: readonly string[]): History {
  const history = new History();
  for (const line of lines) expect(history.note(line)).toBe(true);
  return history;
}

const GOOD = ['ack 0 0 10', 'read 0 0 10', 'ack 0 1 11', 'read 0 1 11', 'ack 1 0 5', 'read 1 0 5'];

test('what was acknowledged and read once, in order and at its offset, is without fault', () => {
  const history = historyOf(...GOOD, 'read 0 2 12');
  expect(history.faults()).toEqual([]);
  expect(history.marks()).toEqual([2, 1]);
});

test.each([
  ['an acknowledged record that was not read', 'ack 0 2 12'],
  ['a record that was read twice', 'read 0 1 12'],
  ['a record that was read after a later one', 'read 0 0 12'],
  ['other bytes than were produced', 'garbled 0 12'],
])('%s is a fault', (_what, line) => {
  expect(historyOf(...GOOD, line).faults()).not.toEqual([]);
});

test('a record that was read at another offset than was acknowledged is a fault', () => {
  expect(historyOf('ack 0 0 10', 'read 0 0 11').faults()).toHaveLength(1);
});

test('a record that finally failed may be missing, and is told', () => {
  const history = historyOf(...GOOD, 'failed 0 2 TimeoutException');
  expect(history.faults()).toEqual([]);
  expect(history.failures).toEqual(['failed 0 2 TimeoutException']);
});

test('what a new topic was acknowledged has to be in it, what the old one held has not', () => {
  const history = historyOf('ack 0 0 100', 'ack 0 1 101', 'ack 0 2 0');
  expect(history.faultsSince([2], historyOf('read 0 2 0'))).toEqual([]);
  expect(history.faultsSince([1], historyOf('read 0 2 0'))).toHaveLength(1);
});

test('two readings of a log that differ are told apart', () => {
  expect(historyOf('read 0 0 1').differences(historyOf('read 0 0 1'))).toEqual([]);
  expect(historyOf('read 0 0 1').differences(historyOf('read 0 0 2'))).toHaveLength(1);
});

describe('of transactions', () => {
  const READ = ['read 0 0 0', 'read 0 1 1'];

  test('exactly what was committed is read', () => {
    const ends = ['transaction committed 0 2', 'transaction aborted 2 3'];
    expect(historyOf(...READ, ...ends).transactionFaults()).toEqual([]);
  });

  test.each([
    ['a committed one that was read in part', 'transaction committed 0 3'],
    ['an aborted one of which something was read', 'transaction aborted 1 2'],
    ['one of unknown outcome that was read in part', 'transaction unknown 1 2'],
  ])('%s is a fault', (_what, line) => {
    expect(historyOf(...READ, line).transactionFaults()).toHaveLength(1);
  });

  test('one of unknown outcome may be there or not, but whole', () => {
    const ends = ['transaction unknown 0 2', 'transaction unknown 2 3'];
    expect(historyOf(...READ, ...ends).transactionFaults()).toEqual([]);
  });
});
