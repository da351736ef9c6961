/**
 * Where a partition group's journal is in the bucket. Numbers have a fixed width, so that keys sort
 * as numbers do; nothing rests on a listing being complete.
 */
import assert from 'node:assert/strict';

/** Above any number of groups that one would make. */
export const GROUP_MAX = 99_999;

/** In the place before the first entry: says that entries which snapshots have may be gone. */
export const MARK_NUMBER = 0;

const GROUP_DIGITS = 5;
/** All safe integers. */
const NUMBER_DIGITS = 16;

/** @returns the prefix of all entries of a group */
export function entryPrefix(group: number): string {
  return `journal/${digits(group, GROUP_DIGITS)}/`;
}

/** @returns the key of an entry, and of the merged file that carries it */
export function entryKey(group: number, number: number): string {
  return entryPrefix(group) + digits(number, NUMBER_DIGITS);
}

/** @returns the prefix of all snapshots of a group */
export function snapshotPrefix(group: number): string {
  return `snapshot/${digits(group, GROUP_DIGITS)}/`;
}

/** @returns the key of the snapshot that has everything up to and including the entry */
export function snapshotKey(group: number, number: number): string {
  return snapshotPrefix(group) + digits(number, NUMBER_DIGITS);
}

function digits(value: number, width: number): string {
  assert(Number.isSafeInteger(value) && value >= 0, 'a group or number is a safe integer from 0');
  return value.toString().padStart(width, '0');
}
