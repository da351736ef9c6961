import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { coordinatorKeys } from '../../../coordinator/keys.ts';
import { CoordinatorScripts, SETTLED_RANGE_SIZE } from '../../../coordinator/redis/scripts.ts';
import {
  Coordinators,
  eventually,
  file,
  LogLines,
  member,
  memberIds,
  openSession,
  topic,
} from './support.ts';

let all: Coordinators;

beforeEach(() => {
  all = new Coordinators(inject('redis').url);
});
afterEach(async () => all.closeAll());

test('members see each other come, change and go', async () => {
  const one = await all.start();
  const two = await all.start();
  expect(await one.coordinator.join(member(1))).toEqual({ kind: 'joined' });
  expect(await two.coordinator.join(member(2, { rack: 'b' }))).toEqual({ kind: 'joined' });
  for (const { coordinator } of [one, two]) {
    await eventually(() => expect(memberIds(coordinator)).toEqual([1, 2]));
  }

  const moved = member(2, { rack: 'b', nodes: [] });
  two.coordinator.update(moved);
  expect(two.coordinator.members()[1]).toEqual(moved);
  await eventually(() => expect(one.coordinator.members()[1]).toEqual(moved));

  await two.coordinator.leave();
  expect(memberIds(two.coordinator)).toEqual([1]);
  await eventually(() => expect(memberIds(one.coordinator)).toEqual([1]));
  expect(one.events.some(({ kind }) => kind === 'members-changed')).toBe(true);
});

test('a member that starts later knows those that are there', async () => {
  const one = await all.start();
  await one.coordinator.join(member(1));
  const two = await all.start();
  expect(memberIds(two.coordinator)).toEqual([1]);
});

test('a member that dies expires for the others', async () => {
  const one = await all.start();
  const two = await all.start();
  await one.coordinator.join(member(1));
  await two.coordinator.join(member(2));
  await eventually(() => expect(memberIds(one.coordinator)).toEqual([1, 2]));
  await two.coordinator.close();
  await eventually(() => expect(memberIds(one.coordinator)).toEqual([1]));
});

test('of two live processes with one member id the second is refused', async () => {
  const one = await all.start();
  const two = await all.start();
  await one.coordinator.join(member(1));
  const outcome = await two.coordinator.join(member(1, { host: 'second' }));
  expect(outcome).toEqual({ kind: 'conflict', other: member(1) });
  expect(memberIds(two.coordinator)).toEqual([1]);
  expect(two.coordinator.members()).toEqual([member(1)]);
  expect(one.events.some(({ kind }) => kind === 'member-conflict')).toBe(false);
});

test('a process takes over from one that died under its member id', async () => {
  const one = await all.start();
  await one.coordinator.join(member(1));
  await one.coordinator.close();
  const two = await all.start();
  expect(await two.coordinator.join(member(1, { host: 'second' }))).toEqual({ kind: 'joined' });
});

test('a member id can be taken again after its member left', async () => {
  const one = await all.start();
  const two = await all.start();
  await one.coordinator.join(member(1));
  await one.coordinator.leave();
  expect(await two.coordinator.join(member(1, { host: 'second' }))).toEqual({ kind: 'joined' });
  expect(await one.coordinator.join(member(1))).toMatchObject({ kind: 'conflict' });
});

test('a member id out of bounds is refused', async () => {
  const { coordinator } = await all.start();
  await expect(coordinator.join(member(2046))).rejects.toMatchObject({
    code: 'COORDINATOR_MEMBER_ID_INVALID',
  });
});

test('a new file is told to the other members, and settled once', async () => {
  const one = await all.start();
  const two = await all.start();
  await one.coordinator.join(member(1));
  await two.coordinator.join(member(2));
  const fileId = 77n;
  one.coordinator.announceFile(file(fileId));
  one.coordinator.settleFile(fileId);
  one.coordinator.settleFile(fileId);
  const hint = { fileId, bytes: 8_388_608, memberId: 1, rack: 'a' };
  await eventually(() => expect(two.events).toContainEqual({ kind: 'file-announced', file: hint }));
  await eventually(() => expect(one.coordinator.status().bufferedCount).toBe(0));
  one.coordinator.settleFile(fileId);
  await eventually(() => expect(one.coordinator.status().bufferedCount).toBe(0));
  expect(one.coordinator.status()).toMatchObject({ bufferedBytes: 0, droppedCount: 0 });
  expect(one.events.some(({ kind }) => kind === 'file-announced')).toBe(false);

  const session = await openSession(inject('redis').url);
  const keys = coordinatorKeys(all.clusterId, all.clusterId);
  const settled = await session.call('ZRANGE', [keys.filesSettled, 0, -1, 'WITHSCORES']);
  expect(String(settled)).toBe(`${'\0'.repeat(7)}M,${SETTLED_RANGE_SIZE + 1}`);
  session.close();
});

test('files that cannot be counted wait until the bucket grants a range', async () => {
  const log = new LogLines();
  const { coordinator, claims } = await all.start({ logger: log.logger });
  claims.isFailing = true;
  coordinator.announceFile(file(1n));
  coordinator.settleFile(1n);
  await eventually(() => expect(log.matching(/cannot be settled/)).toHaveLength(1));
  expect(coordinator.status()).toMatchObject({ connected: true, bufferedCount: 1 });
  claims.isFailing = false;
  await eventually(() => expect(coordinator.status().bufferedCount).toBe(0));
  expect(log.matching(/cannot be settled/)).toHaveLength(1);
});

test('a topic is known to its publisher at once, and to the others soon', async () => {
  const one = await all.start();
  const two = await all.start();
  const record = topic('orders');
  one.topics.put(record);
  one.coordinator.publishTopic(record);
  expect(one.coordinator.topics().get(record.topicId)).toEqual(record);
  expect(one.events).toContainEqual({ kind: 'topic-changed', record });
  await eventually(() => {
    expect(two.coordinator.topics().get(record.topicId)).toEqual(record);
    expect(two.events).toContainEqual({ kind: 'topic-changed', record });
  });

  one.topics.records.delete(record.topicId);
  one.coordinator.removeTopic(record.topicId);
  expect(one.coordinator.topics().size).toBe(0);
  await eventually(() => {
    expect(two.coordinator.topics().size).toBe(0);
    expect(two.events).toContainEqual({ kind: 'topic-removed', topicId: record.topicId });
  });
});

test('the topics of the bucket are known after the start, and copied to Redis by one member', async () => {
  const one = await all.start();
  await eventually(() => expect(one.topics.listCount).toBe(1));
  const record = one.topics.put(topic('orders'));
  const session = await openSession(inject('redis').url);
  const keys = coordinatorKeys(all.clusterId, all.clusterId);
  // As when the copy is no longer trusted: whoever looks first makes it again.
  await session.call('DEL', [keys.topicsLoaded]);
  await eventually(() => expect(one.coordinator.topics().get(record.topicId)).toEqual(record));
  const two = await all.start();
  expect(two.coordinator.topics().get(record.topicId)).toEqual(record);
  expect(two.topics.listCount).toBe(0);
  session.close();
});

test('while one member copies the topics, no other one does', async () => {
  const { topics } = await all.start();
  const session = await openSession(inject('redis').url);
  const keys = coordinatorKeys(all.clusterId, all.clusterId);
  await eventually(async () => expect(await session.call('EXISTS', [keys.topicsLoaded])).toBe(1));
  await eventually(async () => expect(await session.call('EXISTS', [keys.topicsLease])).toBe(0));
  const holders: string[] = [];
  topics.beforeList = async () => {
    holders.push(String(await session.call('GET', [keys.topicsLease])));
  };
  await session.call('SET', [keys.topicsLease, 'another member', 'PX', 300]);
  await session.call('DEL', [keys.topicsLoaded]);
  await eventually(async () => expect(await session.call('EXISTS', [keys.topicsLoaded])).toBe(1));
  expect(holders).toHaveLength(1);
  expect(holders).not.toContain('another member');
  session.close();
});

test('a copy of the bucket removes topics that are gone, not those that the listing lags behind', async () => {
  const { coordinator, topics } = await all.start();
  const [gone, lagging] = [topic('gone'), topics.put(topic('lagging'))];
  topics.unlisted.add(lagging.topicId);
  coordinator.publishTopic(gone);
  coordinator.publishTopic(lagging);
  await eventually(() => expect(coordinator.status().bufferedCount).toBe(0));
  const session = await openSession(inject('redis').url);
  const keys = coordinatorKeys(all.clusterId, all.clusterId);
  await session.call('DEL', [keys.topicsLoaded]);
  await eventually(() => expect([...coordinator.topics().keys()]).toEqual([lagging.topicId]));
  session.close();
});

test('a gap in the change stream leads to a refresh', async () => {
  const one = await all.start();
  const two = await all.start();
  await one.coordinator.join(member(1));
  await eventually(() => expect(memberIds(two.coordinator)).toEqual([1]));
  const session = await openSession(inject('redis').url);
  const keys = coordinatorKeys(all.clusterId, all.clusterId);
  const refreshCount = two.events.filter(({ kind }) => kind === 'refreshed').length;
  // A change that everybody misses: it is counted, but the stream does not have it.
  await session.call('INCR', [keys.changesCount]);
  await eventually(() =>
    expect(two.events.filter(({ kind }) => kind === 'refreshed').length).toBeGreaterThan(
      refreshCount,
    ),
  );
  const record = topic('orders');
  one.coordinator.publishTopic(record);
  await eventually(() => expect(two.coordinator.topics().has(record.topicId)).toBe(true));
  session.close();
});

test('a change that does not follow the last one leads to a refresh', async () => {
  const { events } = await all.start();
  const session = await openSession(inject('redis').url);
  const keys = coordinatorKeys(all.clusterId, all.clusterId);
  await eventually(async () => expect(await session.call('EXISTS', [keys.topicsLoaded])).toBe(1));
  // What was in the stream before is behind us when a change of ours comes.
  const record = topic('marker');
  await new CoordinatorScripts(session, keys).putTopic(record);
  await eventually(() => expect(events).toContainEqual({ kind: 'topic-changed', record }));
  events.length = 0;
  // Two are counted at once and one is in the stream, of a kind that is skipped otherwise.
  const script =
    "redis.call('INCR', KEYS[1]) " +
    "redis.call('XADD', KEYS[2], redis.call('INCR', KEYS[1]) .. '-0', 'c', '\\200')";
  await session.call('EVAL', [script, 2, keys.changesCount, keys.changes]);
  await eventually(() => expect(events).toEqual([{ kind: 'refreshed' }]));
  session.close();
});

test('a listener that throws hurts nobody', async () => {
  const log = new LogLines();
  const { coordinator, events } = await all.start({ logger: log.logger });
  coordinator.subscribe(() => {
    throw new Error('listener');
  });
  const end = coordinator.subscribe((event) => events.push(event));
  end();
  events.length = 0;
  coordinator.publishTopic(topic('orders'));
  expect(events).toHaveLength(1);
  expect(log.matching(/listener of changes failed/)).toHaveLength(1);
});

test('a value in Redis that cannot be understood is left out and told of', async () => {
  const one = await all.start();
  await one.coordinator.join(member(1));
  const session = await openSession(inject('redis').url);
  const keys = coordinatorKeys(all.clusterId, all.clusterId);
  await session.call('HSET', [keys.members, 9, 'not a member']);
  const log = new LogLines();
  const two = await all.start({ logger: log.logger });
  expect(memberIds(two.coordinator)).toEqual([1]);
  expect(log.matching(/left out/)).toHaveLength(1);
  session.close();
});

test('a file that Redis lost is told again when it is settled', async () => {
  const { coordinator } = await all.start();
  coordinator.announceFile(file(1n));
  await eventually(() => expect(coordinator.status().bufferedCount).toBe(0));
  const session = await openSession(inject('redis').url);
  const keys = coordinatorKeys(all.clusterId, all.clusterId);
  await session.call('DEL', [keys.files, keys.filesUnsettled]);
  coordinator.settleFile(1n);
  await eventually(async () => expect(await session.call('ZCARD', [keys.filesSettled])).toBe(1));
  expect(await session.call('HLEN', [keys.files])).toBe(1);
  session.close();
});

test('the settlement of a file that was never announced is given up, and counted', async () => {
  const { coordinator } = await all.start();
  coordinator.settleFile(404n);
  await eventually(() =>
    expect(coordinator.status()).toMatchObject({ bufferedCount: 0, droppedCount: 1 }),
  );
});

test('an announcement that Redis refuses does not hold up the others for ever', async () => {
  const { coordinator } = await all.start();
  const session = await openSession(inject('redis').url);
  const keys = coordinatorKeys(all.clusterId, all.clusterId);
  await session.call('SET', [keys.filesUnsettled, 'not a sorted set']);
  coordinator.announceFile(file(1n));
  for (let version = 1; coordinator.status().droppedCount === 0; version++) {
    coordinator.publishTopic(topic('orders', { version }));
    await eventually(() => expect(coordinator.status().bufferedCount).toBeLessThan(2));
    expect(version).toBeLessThan(20);
  }
  await eventually(() =>
    expect(coordinator.status()).toMatchObject({ connected: true, bufferedCount: 0 }),
  );
  session.close();
});

test('a full Redis, or one file too many, is told and does not grow the buffer', async () => {
  const log = new LogLines();
  const { coordinator } = await all.start({ logger: log.logger, tuning: { filesKeptMax: 1 } });
  for (const fileId of [1n, 2n, 3n]) coordinator.announceFile(file(fileId));
  await eventually(() => expect(coordinator.status().droppedCount).toBe(2));
  expect(coordinator.status()).toMatchObject({ bufferedCount: 0, connected: true });
  expect(log.matching(/announcements were dropped/)).not.toHaveLength(0);
});

test('what is buffered is sent before the coordinator closes', async () => {
  const one = await all.start();
  const two = await all.start();
  one.coordinator.announceFile(file(5n));
  await one.coordinator.close();
  await eventually(() =>
    expect(two.events.some(({ kind }) => kind === 'file-announced')).toBe(true),
  );
});
