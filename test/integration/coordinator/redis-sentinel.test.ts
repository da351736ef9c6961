/** A failover by Sentinel, in which the replica that takes over never had the last writes. */
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { runDir } from '../../../docker/local/cache.ts';
import { freePort } from '../../../docker/local/ports.ts';
import { startServer, waitUntilReady } from '../../../docker/local/process.ts';
import { type Redis, startRedis } from '../../../docker/local/redis.ts';
import { coordinatorKeys } from '../../../coordinator/keys.ts';
import { readHash } from '../../../coordinator/redis/read-hash.ts';
import { SETTLED_RANGE_SIZE } from '../../../coordinator/redis/scripts.ts';
import {
  Coordinators,
  eventually,
  file,
  MemoryClaims,
  MemoryTopics,
  member,
  memberIds,
  openSession,
  topic,
} from './support.ts';

const MASTER = 'outrigger-test';
const ends: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

test('members follow the master that the sentinels name, and lose nothing that matters', async () => {
  const [first, second] = [await running(), await running()];
  const onSecond = await openSession(second.url);
  await onSecond.call('REPLICAOF', ['127.0.0.1', first.port]);
  await eventually(async () =>
    expect(String(await onSecond.call('INFO', ['replication']))).toContain('link_status:up'),
  );
  const sentinelPort = await startSentinel(first.port);

  const all = new Coordinators(first.url);
  ends.push(async () => all.closeAll());
  const endpoint = {
    kind: 'sentinel',
    sentinels: [{ host: '127.0.0.1', port: sentinelPort }],
    masterName: MASTER,
  } as const;
  const shared = { endpoint, topics: new MemoryTopics(), claims: new MemoryClaims() };
  const one = await all.start(shared);
  const two = await all.start(shared);
  await one.coordinator.join(member(1));
  await two.coordinator.join(member(2));
  one.coordinator.announceFile(file(1n));
  one.coordinator.settleFile(1n);
  await eventually(() => expect(one.coordinator.status().bufferedCount).toBe(0));
  await eventually(() => expect(memberIds(two.coordinator)).toEqual([1, 2]));

  // From here on the replica hears nothing: what follows is lost with the master.
  await onSecond.call('REPLICAOF', ['127.0.0.1', await freePort()]);
  const lost = shared.topics.put(topic('lost'));
  one.coordinator.publishTopic(lost);
  one.coordinator.announceFile(file(2n));
  one.coordinator.settleFile(2n);
  await eventually(() => expect(one.coordinator.status().bufferedCount).toBe(0));
  await first.kill();
  one.coordinator.announceFile(file(3n));
  one.coordinator.settleFile(3n);
  // The sentinel promotes nobody that is so far behind, so an operator does, and tells it.
  await onSecond.call('REPLICAOF', ['NO', 'ONE']);
  const onSentinel = await openSession(`redis://127.0.0.1:${sentinelPort}`);
  await onSentinel.call('SENTINEL', ['REMOVE', MASTER]);
  await onSentinel.call('SENTINEL', ['MONITOR', MASTER, '127.0.0.1', second.port, 1]);
  onSentinel.close();

  const keys = coordinatorKeys(all.clusterId, all.clusterId);
  await eventually(async () => {
    expect(one.coordinator.status()).toMatchObject({ connected: true, bufferedCount: 0 });
    expect(two.coordinator.status().connected).toBe(true);
    expect([...(await readHash(onSecond, keys.topics)).keys()]).toEqual([lost.topicId]);
    expect((await readHash(onSecond, keys.members)).size).toBe(2);
  });
  const settled = await onSecond.call('ZRANGE', [keys.filesSettled, 0, -1, 'WITHSCORES']);
  const numbers = (Array.isArray(settled) ? settled : [])
    .filter((_, index) => index % 2 === 1)
    .map(Number);
  expect(numbers).toEqual([SETTLED_RANGE_SIZE + 1, 2 * SETTLED_RANGE_SIZE + 1]);
  expect(memberIds(one.coordinator)).toEqual([1, 2]);
  expect(memberIds(two.coordinator)).toEqual([1, 2]);
  onSecond.close();
});

async function running(): Promise<Redis> {
  const redis = await startRedis();
  ends.push(async () => redis.kill());
  return redis;
}

/** @returns the port of a sentinel that watches the master */
async function startSentinel(masterPort: number): Promise<number> {
  const port = await freePort();
  const dir = await runDir('sentinel');
  const configFile = join(dir, 'sentinel.conf');
  const lines = [
    `port ${port}`,
    'bind 127.0.0.1',
    `dir ${dir}`,
    `sentinel monitor ${MASTER} 127.0.0.1 ${masterPort} 1`,
  ];
  await writeFile(configFile, `${lines.join('\n')}\n`);
  const server = startServer('redis-server', [configFile, '--sentinel'], {
    logFile: join(dir, 'server.log'),
  });
  ends.push(async () => {
    await server.kill();
    await rm(dir, { recursive: true, force: true });
  });
  await waitUntilReady(server, 'the sentinel', async () => {
    try {
      (await openSession(`redis://127.0.0.1:${port}`)).close();
      return true;
    } catch {
      // Not listening yet: the caller asks again and has the log when it gives up.
      return false;
    }
  });
  return port;
}
