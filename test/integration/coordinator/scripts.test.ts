import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { packFile } from '../../../coordinator/file-record.ts';
import { readHash } from '../../../coordinator/redis/read-hash.ts';
import { SETTLED_RANGE_SIZE } from '../../../coordinator/redis/scripts.ts';
import type { RedisSession } from '../../../coordinator/redis/session.ts';
import {
  EXPIRY_MS,
  FILES_MAX,
  incarnationOf,
  ScriptFixture,
  sharedSession,
} from './script-fixture.ts';
import { file, member, topic } from './support.ts';

let session: RedisSession;
let on: ScriptFixture;

beforeAll(async () => {
  session = await sharedSession();
});
afterAll(() => session.close());
beforeEach(() => {
  on = new ScriptFixture(session);
});

describe('beat-member', () => {
  test('a process becomes a member, and its heartbeats change nothing that others must hear', async () => {
    const incarnation = randomBytes(8);
    for (const beat of [0, 1, 2]) {
      const outcome = await on.scripts.beatMember(
        { incarnation, beat, record: member(3) },
        EXPIRY_MS,
      );
      expect(outcome).toEqual({ kind: 'ok' });
    }
    expect(await on.changes()).toEqual([{ kind: 'member', record: member(3) }]);
    const held = await on.heldMembers();
    expect(held.get('3')).toEqual({ incarnation, beat: 2, record: member(3) });
  });

  test('a changed record is told to the others', async () => {
    const incarnation = randomBytes(8);
    const moved = member(3, { nodes: [] });
    await on.scripts.beatMember({ incarnation, beat: 0, record: member(3) }, EXPIRY_MS);
    await on.scripts.beatMember({ incarnation, beat: 1, record: moved }, EXPIRY_MS);
    expect(await on.changes()).toEqual([
      { kind: 'member', record: member(3) },
      { kind: 'member', record: moved },
    ]);
  });

  test('the id of a live process is not given to another one', async () => {
    const first = { incarnation: randomBytes(8), beat: 5, record: member(3) };
    const second = { incarnation: randomBytes(8), beat: 0, record: member(3, { host: 'other' }) };
    await on.scripts.beatMember(first, EXPIRY_MS);
    for (const _ of [1, 2]) {
      const outcome = await on.scripts.beatMember(second, EXPIRY_MS);
      expect(outcome).toEqual({ kind: 'conflict', held: first });
    }
    expect((await on.heldMembers()).get('3')).toEqual(first);
  });

  test('any heartbeat removes members whose time is over', async () => {
    await on.beat(1);
    await on.beat(2);
    await on.expire(1);
    await on.beat(2, 1);
    expect([...(await on.heldMembers()).keys()]).toEqual(['2']);
    expect((await on.changes()).at(-1)).toEqual({ kind: 'member-gone', memberId: 1 });
  });

  test('the id of an expired process is free', async () => {
    await on.beat(1);
    await on.expire(1);
    const next = { incarnation: randomBytes(8), beat: 0, record: member(1, { host: 'next' }) };
    expect(await on.scripts.beatMember(next, EXPIRY_MS)).toEqual({ kind: 'ok' });
    expect((await on.heldMembers()).get('1')).toEqual(next);
  });

  test('a process that was late is not removed by its own heartbeat', async () => {
    await on.beat(1);
    await on.expire(1);
    await on.beat(1, 1);
    expect(await on.changes()).toEqual([{ kind: 'member', record: member(1) }]);
  });

  test.each([
    ['a silence of all members', -EXPIRY_MS],
    ['a clock that was set back', EXPIRY_MS],
  ])('%s expires nobody', async (_, clockShiftMs) => {
    await on.beat(1);
    await on.beat(2);
    await on.expire(1);
    const clock = Number(await on.session.call('GET', [on.keys.memberClock]));
    await on.session.call('SET', [on.keys.memberClock, clock + clockShiftMs]);
    await on.beat(2, 1);
    expect(new Set((await on.heldMembers()).keys())).toEqual(new Set(['1', '2']));
    const score = Number(await on.session.call('ZSCORE', [on.keys.memberDeadlines, 1]));
    expect(score).toBeGreaterThan(clock);
  });
});

describe('leave-member', () => {
  test('a member that leaves is gone at once, and only once', async () => {
    await on.beat(1);
    expect(await on.scripts.leaveMember(1, incarnationOf(1))).toBe(true);
    expect(await on.scripts.leaveMember(1, incarnationOf(1))).toBe(false);
    expect((await on.heldMembers()).size).toBe(0);
    expect(await on.changes()).toEqual([
      { kind: 'member', record: member(1) },
      { kind: 'member-gone', memberId: 1 },
    ]);
  });

  test('a process cannot make another one leave', async () => {
    await on.beat(1);
    expect(await on.scripts.leaveMember(1, randomBytes(8))).toBe(false);
    expect((await on.heldMembers()).size).toBe(1);
  });
});

describe('announce-file', () => {
  test('a file is kept with all that the sweep needs, and told to the others once', async () => {
    const announced = file(0x0123_4567_89ab_cdefn);
    for (const _ of [1, 2]) {
      expect(await on.scripts.announceFile(packFile(announced), FILES_MAX)).toBe(true);
    }
    const { fileId, bytes, memberId, rack, createdMs } = announced;
    expect(await on.keptFile(fileId)).toEqual(announced);
    expect(await on.unsettled()).toEqual([[fileId, createdMs]]);
    expect(await on.changes()).toEqual([{ kind: 'file', file: { fileId, bytes, memberId, rack } }]);
  });

  test('no more files are kept than allowed', async () => {
    expect(await on.scripts.announceFile(packFile(file(1n)), 1)).toBe(true);
    expect(await on.scripts.announceFile(packFile(file(2n)), 1)).toBe(false);
    expect(await on.scripts.announceFile(packFile(file(1n)), 1)).toBe(true);
    expect(await on.keptFile(2n)).toBeUndefined();
  });

  test('a late repetition does not make a settled file unsettled', async () => {
    await on.settledFile(7n);
    expect(await on.scripts.announceFile(packFile(file(7n)), FILES_MAX)).toBe(true);
    expect(await on.unsettled()).toEqual([]);
  });
});

describe('settle-file', () => {
  test('settled files are counted once each', async () => {
    const first = await on.settledFile(1n);
    const second = await on.settledFile(2n);
    expect(second).toBe(first + 1);
    expect(await on.scripts.settleFile(1n)).toEqual({ kind: 'settled', number: first });
    expect(await on.scripts.settleFile(2n)).toEqual({ kind: 'settled', number: second });
    expect(await on.unsettled()).toEqual([]);
  });

  test('a file that was never announced is not counted', async () => {
    await on.scripts.raiseSettledRange(1);
    expect(await on.scripts.settleFile(9n)).toEqual({ kind: 'unknown' });
    expect(await on.scripts.settleFile(9n)).toEqual({ kind: 'unknown' });
  });

  test('nothing is counted before a range was claimed for this replication id', async () => {
    await on.scripts.announceFile(packFile(file(1n)), FILES_MAX);
    expect(await on.scripts.settleFile(1n)).toEqual({ kind: 'stale', lastNumber: 0 });
    await on.scripts.raiseSettledRange(4);
    const number = 4 * SETTLED_RANGE_SIZE + 1;
    expect(await on.scripts.settleFile(1n)).toEqual({ kind: 'settled', number });

    await on.session.call('HSET', [on.keys.settled, 'replicationId', 'of another life']);
    await on.scripts.announceFile(packFile(file(2n)), FILES_MAX);
    expect(await on.scripts.settleFile(2n)).toEqual({ kind: 'stale', lastNumber: number });
    // What has its number keeps it.
    expect(await on.scripts.settleFile(1n)).toEqual({ kind: 'settled', number });
  });

  test('a range that is used up is left', async () => {
    const { replicationId } = await on.scripts.readState();
    const last = 2 * SETTLED_RANGE_SIZE - 2;
    await on.session.call('HSET', [
      on.keys.settled,
      'number',
      last,
      'replicationId',
      replicationId,
    ]);
    await on.scripts.announceFile(packFile(file(1n)), FILES_MAX);
    await on.scripts.announceFile(packFile(file(2n)), FILES_MAX);
    expect(await on.scripts.settleFile(1n)).toEqual({ kind: 'settled', number: last + 1 });
    expect(await on.scripts.settleFile(2n)).toEqual({ kind: 'stale', lastNumber: last + 1 });
  });
});

describe('raise-settled-range', () => {
  test('a range must be above every number given out', async () => {
    expect(await on.scripts.raiseSettledRange(0)).toBe(false);
    expect(await on.scripts.raiseSettledRange(5)).toBe(true);
    await on.session.call('HSET', [on.keys.settled, 'replicationId', 'of another life']);
    expect(await on.scripts.raiseSettledRange(5)).toBe(false);
    expect(await on.scripts.raiseSettledRange(6)).toBe(true);
  });

  test('of two members that claimed a range the first one decides', async () => {
    expect(await on.scripts.raiseSettledRange(2)).toBe(true);
    expect(await on.scripts.raiseSettledRange(3)).toBe(true);
    expect(await on.settledFile(1n)).toBe(2 * SETTLED_RANGE_SIZE + 1);
  });
});

describe('put-topic and remove-topic', () => {
  test('the newer version stays, in whatever order they come', async () => {
    const first = topic('orders');
    const second = { ...first, diskless: false, version: 2 };
    expect(await on.scripts.putTopic(second)).toBe('stored');
    expect(await on.scripts.putTopic(first)).toBe('stale');
    expect(await on.scripts.putTopic(second)).toBe('stale');
    expect(await on.changes()).toEqual([{ kind: 'topic', record: second }]);
  });

  test('a removed topic does not come back', async () => {
    const record = topic('orders');
    await on.scripts.putTopic(record);
    await on.scripts.removeTopic(record.topicId);
    await on.scripts.removeTopic(record.topicId);
    expect(await on.scripts.putTopic({ ...record, version: 9 })).toBe('removed');
    expect((await readHash(on.session, on.keys.topics)).size).toBe(0);
    expect(await on.changes()).toEqual([
      { kind: 'topic', record },
      { kind: 'topic-gone', topicId: record.topicId },
    ]);
  });

  test('a topic that Redis never knew is removed for the others all the same', async () => {
    const { topicId } = topic('orders');
    await on.scripts.removeTopic(topicId);
    expect(await on.changes()).toEqual([{ kind: 'topic-gone', topicId }]);
  });
});

describe('finish-topic-load and read-state', () => {
  test('topics count as loaded under the replication id of their load only', async () => {
    const { replicationId } = await on.scripts.readState();
    expect(await on.scripts.readState()).toEqual({
      changeCount: 0,
      replicationId,
      topicsLoaded: false,
    });
    expect(await on.scripts.finishTopicLoad(EXPIRY_MS, '0'.repeat(40))).toBe(false);
    expect((await on.scripts.readState()).topicsLoaded).toBe(false);
    for (const changeCount of [1, 2]) {
      expect(await on.scripts.finishTopicLoad(EXPIRY_MS, replicationId)).toBe(true);
      expect(await on.scripts.readState()).toEqual({
        changeCount,
        replicationId,
        topicsLoaded: true,
      });
    }
    await on.session.call('SET', [on.keys.topicsLoaded, 'of another life']);
    expect((await on.scripts.readState()).topicsLoaded).toBe(false);
  });
});
