import * as fc from 'fast-check';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { Announcements, type PendingFile } from '../../../coordinator/announcements.ts';
import type { FileAnnouncement } from '../../../coordinator/index.ts';
import type { TopicRecord } from '../../../storage/index.ts';

const LIMITS = { filesMax: 4, fileBytesMax: 1_000_000, topicsMax: 2 };
const silent = pino({ level: 'silent' });

test('a settled file is told after it was announced, and then forgotten', () => {
  const announcements = new Announcements(LIMITS, silent);
  announcements.addFile(file(1n));
  const pending = only(announcements);
  expect(pending).toMatchObject({ isAnnounced: false, isSettled: false });
  pending.isAnnounced = true;
  announcements.fileTold(pending);
  expect(announcements.filesDue(10)).toEqual([]);
  expect(announcements.bufferedBytes).toBeGreaterThan(0);

  announcements.settleFile(1n);
  expect(only(announcements)).toMatchObject({ isAnnounced: true, isSettled: true });
  announcements.fileTold(only(announcements));
  expect(announcements.bufferedBytes).toBe(0);
});

test('a file that is settled while its announcement is under way is told in one go', () => {
  const announcements = new Announcements(LIMITS, silent);
  announcements.addFile(file(1n));
  const pending = only(announcements);
  announcements.settleFile(1n);
  expect(only(announcements)).toBe(pending);
  expect(pending).toMatchObject({ isAnnounced: false, isSettled: true });
});

test('after Redis forgot, unsettled files are announced again', () => {
  const announcements = new Announcements(LIMITS, silent);
  announcements.addFile(file(1n));
  const pending = only(announcements);
  pending.isAnnounced = true;
  announcements.fileTold(pending);
  announcements.tellAgain();
  expect(only(announcements)).toMatchObject({ fileId: 1n, isAnnounced: false });
});

test('files that Redis knows go first when there is no room', () => {
  const announcements = new Announcements(LIMITS, silent);
  announcements.addFile(file(1n));
  const told = only(announcements);
  told.isAnnounced = true;
  announcements.fileTold(told);
  for (const fileId of [2n, 3n, 4n, 5n]) announcements.addFile(file(fileId));
  expect(announcements.droppedCount).toBe(0);
  expect(announcements.filesDue(10).map(({ fileId }) => fileId)).toEqual([2n, 3n, 4n, 5n]);
  announcements.addFile(file(6n));
  expect(announcements.droppedCount).toBe(1);
  expect(announcements.filesDue(10).map(({ fileId }) => fileId)).toEqual([3n, 4n, 5n, 6n]);
  // It can still be settled, since Redis has its record.
  announcements.settleFile(1n);
  expect(announcements.filesDue(10).at(-1)).toMatchObject({ fileId: 1n, packed: undefined });
});

test('of a topic only the latest state waits', () => {
  const announcements = new Announcements(LIMITS, silent);
  announcements.addTopic('t', record('t', 1));
  const [first] = announcements.topicsDue(10);
  announcements.addTopic('t', undefined);
  if (first !== undefined) announcements.topicTold(first);
  expect(announcements.topicsDue(10)).toEqual([{ topicId: 't', record: undefined }]);
  expect(announcements.isTopicPending('t')).toBe(true);
});

test('dropped topics are remembered until somebody asks', () => {
  const announcements = new Announcements(LIMITS, silent);
  for (const topicId of ['a', 'b', 'c']) announcements.addTopic(topicId, undefined);
  expect(announcements.topicsDue(10).map(({ topicId }) => topicId)).toEqual(['b', 'c']);
  expect(announcements.takeTopicsDropped()).toBe(true);
  expect(announcements.takeTopicsDropped()).toBe(false);
});

type Step = {
  readonly kind: 'add' | 'settle' | 'tell' | 'drop' | 'again';
  readonly fileId: bigint;
};

test('whatever happens, the bounds hold and the bytes add up', () => {
  const step: fc.Arbitrary<Step> = fc.record({
    kind: fc.constantFrom('add', 'add', 'settle', 'tell', 'drop', 'again'),
    fileId: fc.bigInt({ min: 1n, max: 9n }),
  });
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 100 }),
      fc.integer({ min: 50, max: 400 }),
      (steps, max) => {
        const announcements = new Announcements({ ...LIMITS, fileBytesMax: max }, silent);
        for (const { kind, fileId } of steps) {
          const [due] = announcements.filesDue(1);
          if (kind === 'add') announcements.addFile(file(fileId));
          else if (kind === 'settle') announcements.settleFile(fileId);
          else if (kind === 'again') announcements.tellAgain();
          else if (due !== undefined && kind === 'drop') announcements.dropFile(due);
          else if (due !== undefined) {
            due.isAnnounced = true;
            announcements.fileTold(due);
          }
          expect(announcements.bufferedCount).toBeLessThanOrEqual(LIMITS.filesMax);
          expect(announcements.bufferedBytes).toBeLessThanOrEqual(max);
          expect(announcements.bufferedBytes).toBeGreaterThanOrEqual(0);
        }
        // Everything is let go in the end.
        announcements.tellAgain();
        for (const due of announcements.filesDue(100)) announcements.dropFile(due);
        expect(announcements.bufferedBytes).toBe(0);
      },
    ),
  );
});

function only(announcements: Announcements): PendingFile {
  const [first, second] = announcements.filesDue(2);
  if (first === undefined || second !== undefined) throw new Error('not exactly one file');
  return first;
}

function file(fileId: bigint): FileAnnouncement {
  return {
    fileId,
    bytes: 1000,
    memberId: 1,
    rack: 'a',
    createdMs: 1_700_000_000_000,
    partitions: [{ topic: 'orders', partition: 1, batchCount: 1, bytes: 900 }],
  };
}

function record(topicId: string, version: number): TopicRecord {
  return { topicId, name: 'orders', diskless: true, configs: {}, updatedAtMs: 0, version };
}
