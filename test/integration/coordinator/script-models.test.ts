/** Sequences of calls that nobody would think of, against models that fit on a page. */
import * as fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { packFile } from '../../../coordinator/file-record.ts';
import { readHash } from '../../../coordinator/redis/read-hash.ts';
import { SETTLED_RANGE_SIZE } from '../../../coordinator/redis/scripts.ts';
import type { RedisSession } from '../../../coordinator/redis/session.ts';
import { EXPIRY_MS, ScriptFixture, sharedSession } from './script-fixture.ts';
import { file, member, topic } from './support.ts';

let session: RedisSession;

beforeAll(async () => {
  session = await sharedSession();
});
afterAll(() => session.close());

type FileStep =
  | { readonly kind: 'announce' | 'settle'; readonly fileId: bigint }
  | { readonly kind: 'raise'; readonly range: number }
  | { readonly kind: 'forget' };

test('files behave as a small model says, whatever happens in whatever order', async () => {
  const fileId = fc.bigInt({ min: 1n, max: 6n });
  const step: fc.Arbitrary<FileStep> = fc.oneof(
    fc.record({ kind: fc.constantFrom('announce', 'settle'), fileId }),
    fc.record({ kind: fc.constant('raise'), range: fc.integer({ min: 0, max: 8 }) }),
    fc.constant({ kind: 'forget' }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const on = new ScriptFixture(session);
      const announced = new Set<bigint>();
      const numbers = new Map<bigint, number>();
      let last = 0;
      let current = false;
      for (const next of steps) {
        if (next.kind === 'announce') {
          const isKept = announced.has(next.fileId) || announced.size < 4;
          expect(await on.scripts.announceFile(packFile(file(next.fileId)), 4)).toBe(isKept);
          if (isKept) announced.add(next.fileId);
        } else if (next.kind === 'raise') {
          const isTaken: boolean = current || next.range * SETTLED_RANGE_SIZE > last;
          expect(await on.scripts.raiseSettledRange(next.range)).toBe(isTaken);
          if (!current && isTaken) last = next.range * SETTLED_RANGE_SIZE;
          current ||= isTaken;
        } else if (next.kind === 'forget') {
          // As after a failover: the state is there, the replication id is another one.
          await on.session.call('HSET', [on.keys.settled, 'replicationId', 'of another life']);
          current = false;
        } else {
          const outcome = await on.scripts.settleFile(next.fileId);
          const number = numbers.get(next.fileId);
          if (!announced.has(next.fileId)) expect(outcome).toEqual({ kind: 'unknown' });
          else if (number !== undefined) expect(outcome).toEqual({ kind: 'settled', number });
          else if (current) {
            expect(outcome).toEqual({ kind: 'settled', number: ++last });
            numbers.set(next.fileId, last);
          } else expect(outcome).toEqual({ kind: 'stale', lastNumber: last });
        }
      }
      expect(new Set((await on.unsettled()).map(([id]) => id))).toEqual(
        new Set([...announced].filter((id) => !numbers.has(id))),
      );
    }),
    { numRuns: 60 },
  );
});

type TopicStep = {
  readonly kind: 'put' | 'remove';
  readonly index: number;
  readonly version: number;
};

test('topics behave as a small model says, and the changes retell it', async () => {
  const records = [topic('a'), topic('b'), topic('c')];
  const step: fc.Arbitrary<TopicStep> = fc.record({
    kind: fc.constantFrom('put', 'put', 'put', 'remove'),
    index: fc.nat({ max: 2 }),
    version: fc.integer({ min: 1, max: 5 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      const on = new ScriptFixture(session);
      const kept = new Map<string, number>();
      const removed = new Set<string>();
      for (const { kind, index, version } of steps) {
        const record = records[index];
        if (record === undefined) continue;
        const { topicId } = record;
        if (kind === 'remove') {
          await on.scripts.removeTopic(topicId);
          kept.delete(topicId);
          removed.add(topicId);
          continue;
        }
        const isNew = (kept.get(topicId) ?? 0) < version;
        const expected = removed.has(topicId) ? 'removed' : isNew ? 'stored' : 'stale';
        expect(await on.scripts.putTopic({ ...record, version })).toBe(expected);
        if (expected === 'stored') kept.set(topicId, version);
      }
      const topicIds = (await readHash(on.session, on.keys.topics)).keys();
      expect(new Set(topicIds)).toEqual(new Set(kept.keys()));
      const retold = new Map<string, number>();
      for (const change of await on.changes()) {
        if (change.kind === 'topic') retold.set(change.record.topicId, change.record.version);
        if (change.kind === 'topic-gone') retold.delete(change.topicId);
      }
      expect(retold).toEqual(kept);
    }),
    { numRuns: 60 },
  );
});

type MemberStep = {
  readonly kind: 'beat' | 'leave' | 'expire';
  readonly memberId: number;
  readonly process: number;
};

test('members behave as a small model says, and the changes retell it', async () => {
  const step: fc.Arbitrary<MemberStep> = fc.record({
    kind: fc.constantFrom('beat', 'beat', 'beat', 'leave', 'expire'),
    memberId: fc.nat({ max: 3 }),
    process: fc.nat({ max: 1 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      const on = new ScriptFixture(session);
      const holders = new Map<number, number>();
      const expired = new Set<number>();
      for (const { kind, memberId, process } of steps) {
        const incarnation = Buffer.alloc(8, process);
        if (kind === 'expire') {
          await on.expire(memberId);
          if (holders.has(memberId)) expired.add(memberId);
        } else if (kind === 'leave') {
          const isHolder = holders.get(memberId) === process;
          expect(await on.scripts.leaveMember(memberId, incarnation)).toBe(isHolder);
          if (isHolder) holders.delete(memberId);
          if (isHolder) expired.delete(memberId);
        } else {
          // A heartbeat first saves its own member, then removes all others that are late.
          if (holders.get(memberId) === process) expired.delete(memberId);
          for (const late of expired) holders.delete(late);
          expired.clear();
          const isFree = (holders.get(memberId) ?? process) === process;
          const heartbeat = { incarnation, beat: 0, record: member(memberId) };
          const outcome = await on.scripts.beatMember(heartbeat, EXPIRY_MS);
          expect(outcome.kind).toBe(isFree ? 'ok' : 'conflict');
          if (isFree) holders.set(memberId, process);
        }
      }
      const held = await on.heldMembers();
      expect(new Map([...held].map(([id, value]) => [Number(id), value.incarnation[0]]))).toEqual(
        holders,
      );
      const retold = new Set<number>();
      for (const change of await on.changes()) {
        if (change.kind === 'member') retold.add(change.record.memberId);
        if (change.kind === 'member-gone') retold.delete(change.memberId);
      }
      expect(retold).toEqual(new Set(holders.keys()));
    }),
    { numRuns: 60 },
  );
});
