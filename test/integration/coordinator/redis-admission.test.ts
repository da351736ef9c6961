/** Which Redis may be used, and in which forms it may come. */
import { inspect } from 'node:util';
import { connect, createServer, type Server } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { freePort } from '../../../docker/local/ports.ts';
import { type Redis, startRedis } from '../../../docker/local/redis.ts';
import { Coordinators, eventually, file, LogLines, member, openSession } from './support.ts';

const ends: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

test('a Redis that may evict keys is refused with what to set', async () => {
  const redis = await running({ 'maxmemory-policy': 'allkeys-lru' });
  const all = coordinators(redis.url);
  await expect(all.start()).rejects.toMatchObject({
    code: 'COORDINATOR_REDIS_POLICY',
    message: expect.stringContaining('CONFIG SET maxmemory-policy noeviction') as unknown,
  });
});

test('a Redis older than 7 is refused', async () => {
  const redis = await running();
  const port = await freePort();
  await listening(fakeOldRedis(redis.port), port);
  const all = coordinators(`redis://127.0.0.1:${port}`);
  await expect(all.start()).rejects.toMatchObject({
    code: 'COORDINATOR_REDIS_VERSION',
    details: { version: expect.stringMatching(/^6\./) as unknown },
  });
});

test('a namespace that belongs to another Kafka cluster is refused', async () => {
  const redis = await running();
  const all = coordinators(redis.url);
  await all.start({ namespace: 'outrigger' });
  await expect(
    all.start({ namespace: 'outrigger', clusterId: 'another-cluster' }),
  ).rejects.toMatchObject({
    code: 'COORDINATOR_FOREIGN_REDIS',
    message: expect.stringContaining(all.clusterId) as unknown,
  });
  await all.start({ namespace: 'second', clusterId: 'another-cluster' });
});

test('a Redis that becomes unusable later is told of, and used again when it is put right', async () => {
  const redis = await running();
  const log = new LogLines();
  const { coordinator } = await coordinators(redis.url).start({ logger: log.logger });
  await redis.kill();
  await eventually(() => expect(coordinator.status().connected).toBe(false));
  await redis.start();
  const session = await openSession(redis.url);
  await session.call('CONFIG', ['SET', 'maxmemory-policy', 'volatile-lru']);
  // It may have been used between the start and the setting; a new connection is checked.
  await session.call('CLIENT', ['KILL', 'TYPE', 'normal', 'SKIPME', 'yes']);
  await eventually(() =>
    expect(coordinator.status().refusal).toMatchObject({ code: 'COORDINATOR_REDIS_POLICY' }),
  );
  expect(coordinator.status().connected).toBe(false);
  await session.call('CONFIG', ['SET', 'maxmemory-policy', 'noeviction']);
  await eventually(() =>
    expect(coordinator.status()).toMatchObject({ connected: true, refusal: undefined }),
  );
  expect(log.matching(/may not be used/)).toHaveLength(1);
  session.close();
});

test('a wrong password is refused at the start, and appears nowhere', async () => {
  const redis = await running();
  const session = await openSession(redis.url);
  await session.call('CONFIG', ['SET', 'requirepass', 's3cret-word']);
  session.close();
  const all = coordinators(`redis://:s3cret-word@127.0.0.1:${redis.port}`);
  const { coordinator } = await all.start();
  expect(coordinator.status().connected).toBe(true);

  const log = new LogLines();
  const wrong = coordinators(`redis://:wr0ng-word@127.0.0.1:${redis.port}`);
  const error: unknown = await wrong
    .start({ logger: log.logger })
    .catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: 'COORDINATOR_REDIS_DENIED' });
  expect(inspect(error, { depth: null })).not.toContain('wr0ng-word');
  expect(log.messages.length).toBeGreaterThan(0);
  expect(JSON.stringify(log.messages)).not.toContain('wr0ng-word');
});

test('everything works on a Redis Cluster', async () => {
  const redis = await running({ 'cluster-enabled': 'yes', 'cluster-announce-ip': '127.0.0.1' });
  const session = await openSession(redis.url);
  await session.call('CLUSTER', ['ADDSLOTSRANGE', 0, 16_383]);
  await eventually(async () =>
    expect(String(await session.call('CLUSTER', ['INFO']))).toContain('cluster_state:ok'),
  );
  session.close();
  const all = coordinators(redis.url);
  const endpoint = { kind: 'cluster', nodes: [{ host: '127.0.0.1', port: redis.port }] } as const;
  const one = await all.start({ endpoint });
  const two = await all.start({ endpoint });
  expect(await one.coordinator.join(member(1))).toEqual({ kind: 'joined' });
  one.coordinator.announceFile(file(1n));
  one.coordinator.settleFile(1n);
  await eventually(() => {
    expect(two.coordinator.members()).toEqual([member(1)]);
    expect(two.events.some(({ kind }) => kind === 'file-announced')).toBe(true);
    expect(one.coordinator.status()).toMatchObject({ connected: true, bufferedCount: 0 });
  });

  await redis.kill();
  await eventually(() => expect(one.coordinator.status().connected).toBe(false));
});

async function running(configs: Readonly<Record<string, string>> = {}): Promise<Redis> {
  const redis = await startRedis({ configs });
  ends.push(async () => redis.kill());
  return redis;
}

function coordinators(url: string): Coordinators {
  const all = new Coordinators(url);
  ends.push(async () => all.closeAll());
  return all;
}

/** Passes everything through to a Redis, but for the first digit of its version. */
function fakeOldRedis(port: number): Server {
  return createServer((client) => {
    const upstream = connect({ host: '127.0.0.1', port });
    client.pipe(upstream);
    upstream.on('data', (chunk: Buffer) => {
      const text = chunk.toString('latin1').replace(/redis_version:\d/, 'redis_version:6');
      client.write(text, 'latin1');
    });
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      socket.on('error', () => other.destroy());
      socket.on('close', () => other.destroy());
    }
  });
}

async function listening(server: Server, port: number): Promise<void> {
  await new Promise<void>((resolve) => {
    server.listen({ port, host: '127.0.0.1' }, resolve);
  });
  ends.push(
    async () =>
      new Promise((resolve) => {
        server.close(() => resolve());
      }),
  );
}
