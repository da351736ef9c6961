import { pino } from 'pino';
import { beforeEach, expect, test } from 'vitest';
import type { CoordinatorEvent, MemberRecord } from '../../../coordinator/index.ts';
import { LocalView } from '../../../coordinator/local-view.ts';
import type { TopicRecord } from '../../../storage/index.ts';

let nowMs: number;
let view: LocalView;
let events: CoordinatorEvent['kind'][];

beforeEach(() => {
  nowMs = 0;
  view = new LocalView({ logger: pino({ level: 'silent' }), monotonicMs: () => nowMs });
  events = [];
  view.subscribe(({ kind }) => events.push(kind));
});

test('members that a Redis forgot have time to report, and no longer', () => {
  view.replaceMembers([member(1), member(2), member(3)], 0);
  view.replaceMembers([member(1)], 1_000);
  expect(ids()).toEqual([1, 2, 3]);
  view.putMember(member(2));
  nowMs = 999;
  view.expireGrace();
  expect(ids()).toEqual([1, 2, 3]);
  nowMs = 1_000;
  view.expireGrace();
  expect(ids()).toEqual([1, 2]);
  expect(events).toEqual(['members-changed']);
});

test('one that says that it leaves is gone at once, time to report or not', () => {
  view.replaceMembers([member(1), member(2)], 0);
  view.replaceMembers([], 1_000);
  view.removeMember(2);
  expect(ids()).toEqual([1]);
});

test('this member is always there with its own record, until it leaves', () => {
  view.setSelf(member(2));
  view.replaceMembers([member(1), member(2, 'as Redis knows it')], 0);
  expect(view.members()).toEqual([member(1), member(2)]);
  view.replaceMembers([], 0);
  expect(ids()).toEqual([2]);
  view.setSelf(undefined);
  expect(ids()).toEqual([]);
});

test('what is known already is no news', () => {
  view.putMember(member(1));
  view.putMember(member(1));
  view.removeMember(7);
  view.putTopic(topic('a', 2));
  view.putTopic(topic('a', 2));
  view.putTopic(topic('a', 1));
  view.removeTopic('b');
  expect(events).toEqual(['members-changed', 'topic-changed']);
});

test('a complete list removes topics, but none that is kept, and brings no older version', () => {
  for (const [topicId, version] of [
    ['a', 3],
    ['b', 1],
    ['c', 1],
  ] as const) {
    view.putTopic(topic(topicId, version));
  }
  view.mergeTopics([topic('a', 2), topic('d', 1)]);
  expect([...view.topics().keys()]).toEqual(['a', 'b', 'c', 'd']);
  view.mergeTopics([topic('a', 2), topic('d', 4)], (topicId) => topicId === 'b');
  expect([...view.topics().values()]).toEqual([topic('a', 3), topic('b', 1), topic('d', 4)]);
});

function ids(): number[] {
  return view.members().map(({ memberId }) => memberId);
}

function member(memberId: number, host = 'proxy'): MemberRecord {
  return {
    memberId,
    rack: 'a',
    host,
    bootstrapPort: 9092,
    nodes: [],
    startedAtMs: 0,
    version: '0.1.0',
    formatLevel: 1,
  };
}

function topic(topicId: string, version: number): TopicRecord {
  return { topicId, name: topicId, diskless: true, configs: {}, updatedAtMs: 0, version };
}
