/** Redis dies, hangs, forgets or is not there: nothing waits for it, and all is well afterwards. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Redis, startRedis } from '../../../docker/local/redis.ts';
import { coordinatorKeys } from '../../../coordinator/keys.ts';
import { readHash } from '../../../coordinator/redis/read-hash.ts';
import { CoordinatorScripts, SETTLED_RANGE_SIZE } from '../../../coordinator/redis/scripts.ts';
import {
  Coordinators,
  eventually,
  file,
  LogLines,
  MemoryTopics,
  member,
  memberIds,
  openSession,
  topic,
} from './support.ts';

let redis: Redis;
let all: Coordinators;

beforeEach(async () => {
  redis = await startRedis({ configs: { 'enable-debug-command': 'yes' } });
  all = new Coordinators(redis.url);
});
afterEach(async () => {
  await all.closeAll();
  await redis.kill();
});

test('a Redis that died and came back empty is told everything again', async () => {
  const log = new LogLines();
  const topics = new MemoryTopics();
  const record = topics.put(topic('orders'));
  const one = await all.start({ topics, logger: log.logger });
  const two = await all.start({ topics });
  await one.coordinator.join(member(1));
  await two.coordinator.join(member(2));
  await eventually(() => expect(memberIds(one.coordinator)).toEqual([1, 2]));
  one.coordinator.announceFile(file(1n));
  await eventually(() => expect(one.coordinator.status().bufferedCount).toBe(0));
  one.events.length = 0;

  await redis.kill();
  await eventually(() => expect(one.coordinator.status().connected).toBe(false));
  one.coordinator.settleFile(1n);
  one.coordinator.announceFile(file(2n));
  expect(memberIds(one.coordinator)).toEqual([1, 2]);
  expect(one.coordinator.topics().get(record.topicId)).toEqual(record);
  expect(one.coordinator.status().bufferedCount).toBe(2);
  await redis.start();

  await eventually(() => {
    expect(one.coordinator.status()).toMatchObject({ connected: true, bufferedCount: 0 });
    expect(two.coordinator.status().connected).toBe(true);
  });
  const session = await openSession(redis.url);
  const keys = coordinatorKeys(all.clusterId, all.clusterId);
  await eventually(async () => {
    expect([...(await readHash(session, keys.members)).keys()].toSorted()).toEqual(['1', '2']);
    expect([...(await readHash(session, keys.topics)).keys()]).toEqual([record.topicId]);
  });
  expect(await session.call('ZCARD', [keys.filesSettled])).toBe(1);
  expect(await session.call('ZCARD', [keys.filesUnsettled])).toBe(1);
  session.close();
  // No moment in which the others were thought dead, and one line each way in the log.
  expect(one.events.some(({ kind }) => kind === 'members-changed')).toBe(false);
  expect(memberIds(one.coordinator)).toEqual([1, 2]);
  expect(log.matching(/Redis cannot be reached/)).toHaveLength(1);
  expect(log.matching(/Redis can be used again/)).toHaveLength(1);
});

test('a member that died together with Redis is forgotten', async () => {
  const one = await all.start();
  const two = await all.start();
  await one.coordinator.join(member(1));
  await two.coordinator.join(member(2));
  await eventually(() => expect(memberIds(one.coordinator)).toEqual([1, 2]));
  await redis.kill();
  await two.coordinator.close();
  expect(memberIds(one.coordinator)).toEqual([1, 2]);
  await redis.start();
  await eventually(() => expect(memberIds(one.coordinator)).toEqual([1]));
});

test('a Redis that hangs holds up no call, and nobody is dead when it goes on', async () => {
  const one = await all.start();
  const two = await all.start();
  await one.coordinator.join(member(1));
  await two.coordinator.join(member(2));
  await eventually(() => expect(memberIds(one.coordinator)).toEqual([1, 2]));
  const pid = await processIdOf(redis.url);
  process.kill(pid, 'SIGSTOP');
  try {
    const record = topic('orders');
    one.coordinator.announceFile(file(1n));
    one.coordinator.settleFile(1n);
    one.coordinator.publishTopic(record);
    one.coordinator.update(member(1, { version: '0.2.0' }));
    expect(one.coordinator.topics().get(record.topicId)).toEqual(record);
    expect(one.coordinator.members()[0]?.version).toBe('0.2.0');
    await eventually(() => expect(one.coordinator.status().connected).toBe(false));
    expect(one.coordinator.status().bufferedCount).toBe(2);
    // These ask Redis, and give up in time.
    await two.coordinator.leave();
    expect(await two.coordinator.join(member(2))).toEqual({ kind: 'deferred' });
    expect(memberIds(one.coordinator)).toEqual([1, 2]);
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  one.events.length = 0;
  await eventually(() => {
    expect(one.coordinator.status()).toMatchObject({ connected: true, bufferedCount: 0 });
    expect(two.coordinator.members()[0]?.version).toBe('0.2.0');
  });
  expect(memberIds(one.coordinator)).toEqual([1, 2]);
});

test('a Redis that is not there at the start is found later, and told of once', async () => {
  await redis.kill();
  const log = new LogLines();
  const topics = new MemoryTopics();
  const record = topics.put(topic('orders'));
  const one = await all.start({ topics, logger: log.logger });
  expect(one.coordinator.topics().get(record.topicId)).toEqual(record);
  expect(await one.coordinator.join(member(1))).toEqual({ kind: 'deferred' });
  expect(memberIds(one.coordinator)).toEqual([1]);
  expect(one.coordinator.status()).toMatchObject({ connected: false, lastContactMs: undefined });
  one.coordinator.announceFile(file(1n));

  await redis.start();
  await eventually(() =>
    expect(one.coordinator.status()).toMatchObject({ connected: true, bufferedCount: 0 }),
  );
  const two = await all.start({ topics });
  expect(two.coordinator.topics().get(record.topicId)).toEqual(record);
  await eventually(() => expect(memberIds(two.coordinator)).toEqual([1]));
  expect(log.messages.filter(({ level }) => level >= 40)).toHaveLength(1);
});

test('a process that served while Redis was away learns that its member id is taken', async () => {
  await redis.kill();
  const one = await all.start();
  const two = await all.start();
  expect(await one.coordinator.join(member(1))).toEqual({ kind: 'deferred' });
  expect(await two.coordinator.join(member(1, { host: 'second' }))).toEqual({ kind: 'deferred' });
  await redis.start();
  const conflicts = await eventually(() => {
    const events = [...one.events, ...two.events];
    const found = events.filter(({ kind }) => kind === 'member-conflict');
    expect(found).toHaveLength(1);
    return found;
  });
  expect(conflicts).toHaveLength(1);
});

test('the buffer is bounded: the oldest files are dropped, counted and told of', async () => {
  const log = new LogLines();
  const { coordinator } = await all.start({
    logger: log.logger,
    tuning: { filesBufferedMax: 10, topicsBufferedMax: 2 },
  });
  await redis.kill();
  for (let fileId = 1n; fileId <= 100n; fileId++) coordinator.announceFile(file(fileId));
  expect(coordinator.status()).toMatchObject({ bufferedCount: 10, droppedCount: 90 });
  expect(log.matching(/announcements were dropped/).length).toBeLessThan(10);

  await redis.start();
  await eventually(() => expect(coordinator.status().bufferedCount).toBe(0));
  const session = await openSession(redis.url);
  const keys = coordinatorKeys(all.clusterId, all.clusterId);
  const kept = await session.call('ZRANGE', [keys.filesUnsettled, 0, -1]);
  const fileIds = Array.isArray(kept)
    ? kept.map((id: unknown) => (Buffer.isBuffer(id) ? id.readBigUInt64BE() : 0n))
    : [];
  expect(new Set(fileIds)).toEqual(new Set(Array.from({ length: 10 }, (_, i) => BigInt(91 + i))));
  session.close();
});

test('topics whose announcement was dropped are copied from the bucket', async () => {
  const topics = new MemoryTopics();
  const one = await all.start({ topics, tuning: { topicsBufferedMax: 1 } });
  const two = await all.start({ topics });
  await eventually(() => expect(one.coordinator.status().bufferedCount).toBe(0));
  const pid = await processIdOf(redis.url);
  process.kill(pid, 'SIGSTOP');
  const records = ['a', 'b', 'c'].map((name) => topics.put(topic(name)));
  for (const record of records) one.coordinator.publishTopic(record);
  expect(one.coordinator.status()).toMatchObject({ bufferedCount: 1, droppedCount: 2 });
  process.kill(pid, 'SIGCONT');
  await eventually(() =>
    expect(new Set(two.coordinator.topics().keys())).toEqual(
      new Set(records.map(({ topicId }) => topicId)),
    ),
  );
});

test('a Redis that went back in time counts settled files above all earlier numbers', async () => {
  const { coordinator, claims } = await all.start();
  const session = await openSession(redis.url);
  const keys = coordinatorKeys(all.clusterId, all.clusterId);
  for (const fileId of [1n, 2n, 3n]) {
    coordinator.announceFile(file(fileId));
    coordinator.settleFile(fileId);
  }
  await eventually(async () => expect(await session.call('ZCARD', [keys.filesSettled])).toBe(3));
  expect(claims.last).toBe(1);

  // What a failover to a replica that lagged behind leaves: older state, another replication id.
  await session.call('DEL', [keys.files, keys.filesSettled]);
  await session.call('HSET', [keys.settled, 'number', SETTLED_RANGE_SIZE + 1]);
  await session.call('DEBUG', ['CHANGE-REPL-ID']);
  coordinator.announceFile(file(4n));
  coordinator.settleFile(4n);
  await eventually(async () => expect(await session.call('ZCARD', [keys.filesSettled])).toBe(1));
  const [, score]: unknown[] = [
    await session.call('ZRANGE', [keys.filesSettled, 0, -1, 'WITHSCORES']),
  ].flat();
  expect(Number(score)).toBe(2 * SETTLED_RANGE_SIZE + 1);
  session.close();
});

test('another replication id makes members read everything and tell unsettled files again', async () => {
  const one = await all.start();
  const two = await all.start();
  await one.coordinator.join(member(1));
  await two.coordinator.join(member(2));
  one.coordinator.announceFile(file(1n));
  await eventually(() => expect(memberIds(one.coordinator)).toEqual([1, 2]));
  await eventually(() => expect(one.coordinator.status().bufferedCount).toBe(0));
  const session = await openSession(redis.url);
  const keys = coordinatorKeys(all.clusterId, all.clusterId);
  await session.call('DEL', [keys.files, keys.filesUnsettled, keys.members, keys.memberDeadlines]);
  one.events.length = 0;
  await session.call('DEBUG', ['CHANGE-REPL-ID']);
  await eventually(async () => {
    expect(one.events.some(({ kind }) => kind === 'refreshed')).toBe(true);
    expect(await session.call('ZCARD', [keys.filesUnsettled])).toBe(1);
    expect((await readHash(session, keys.members)).size).toBe(2);
  });
  expect(memberIds(one.coordinator)).toEqual([1, 2]);
  session.close();
});

test('a member that a Redis forgot is kept until it had time to report', async () => {
  const { coordinator } = await all.start();
  await coordinator.join(member(1));
  const session = await openSession(redis.url);
  const keys = coordinatorKeys(all.clusterId, all.clusterId);
  const silentMember = { incarnation: Buffer.alloc(8, 2), beat: 0, record: member(2) };
  await new CoordinatorScripts(session, keys).beatMember(silentMember, 60_000);
  await eventually(() => expect(memberIds(coordinator)).toEqual([1, 2]));
  const afterRefresh: number[][] = [];
  coordinator.subscribe(({ kind }) => {
    if (kind === 'refreshed') afterRefresh.push(memberIds(coordinator));
  });
  await session.call('HDEL', [keys.members, 2]);
  await session.call('DEBUG', ['CHANGE-REPL-ID']);
  await eventually(() => expect(afterRefresh[0]).toEqual([1, 2]));
  await eventually(() => expect(memberIds(coordinator)).toEqual([1]));
  session.close();
});

async function processIdOf(url: string): Promise<number> {
  const session = await openSession(url);
  const [info = ''] = await session.serverInfos();
  session.close();
  const pid = Number(/^process_id:(\d+)/m.exec(info)?.[1]);
  if (!(pid > 1)) throw new Error('INFO names no process');
  return pid;
}
