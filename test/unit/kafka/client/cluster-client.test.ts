import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ClusterClient } from '../../../../kafka/client/cluster-client.ts';
import type { ClusterClientOptions } from '../../../../kafka/client/cluster-client.ts';
import { MetadataResponse } from '../../../../kafka/messages/index.ts';
import { responseFrame } from '../../../../kafka/wire/frame.ts';
import { FakeBroker } from './fake-broker.ts';

const logger = pino({ level: 'silent' });

let one: FakeBroker;
let two: FakeBroker;
let clock: { now: number };
let client: ClusterClient;

beforeEach(async () => {
  one = await FakeBroker.start();
  two = await FakeBroker.start();
  clock = { now: 0 };
  nameBrokers(one, two);
  client = newClient({ bootstrap: [one.endpoint] });
});

afterEach(async () => {
  await client.close();
  await Promise.all([one.stop(), two.stop()]);
});

function newClient(options: Pick<ClusterClientOptions, 'bootstrap'>): ClusterClient {
  return new ClusterClient({
    connection: { clientId: 'test', connectTimeoutMs: 1000 },
    logger,
    now: () => clock.now,
    random: () => 0,
    ...options,
  });
}

/** Both brokers name these, with ids from 1. */
function nameBrokers(...named: FakeBroker[]): void {
  const brokers = named.map((broker, index) => ({ nodeId: index + 1, ...broker.endpoint }));
  for (const broker of [one, two]) {
    broker.handle = (request) =>
      responseFrame(MetadataResponse, request, {
        brokers,
        clusterId: 'c',
        controllerId: 2,
        topics: [],
      });
  }
}

function metadataRequests(): number {
  return [...one.received, ...two.received].filter(({ apiKey }) => apiKey === 3).length;
}

describe('a cluster client', () => {
  test('finds the brokers through a bootstrap address', async () => {
    const metadata = await client.metadata();
    expect(metadata).toMatchObject({ clusterId: 'c', controllerId: 2 });
    expect([...metadata.brokers.keys()]).toEqual([1, 2]);
    expect(metadata.brokers.get(2)).toMatchObject({ id: 2, ...two.endpoint, rack: null });
  });

  test('has one connection per broker, whoever asks, bootstrap included', async () => {
    const connections = await Promise.all([
      client.toBroker(1),
      client.toBroker(1),
      client.toBroker(2),
      client.toAny(),
      client.toController(),
    ]);
    expect(new Set(connections).size).toBe(2);
    expect([one.connections, two.connections]).toEqual([1, 1]);
    expect(connections[4]).toBe(connections[2]);
    expect(metadataRequests()).toBe(1);
  });

  test('asks for the addresses again when they are old', async () => {
    await client.metadata();
    clock.now += 299_999;
    await client.metadata();
    expect(metadataRequests()).toBe(1);
    clock.now += 1;
    await client.metadata();
    expect(metadataRequests()).toBe(2);
  });

  test('asks for the addresses before it says that a broker is unknown', async () => {
    nameBrokers(one);
    await client.metadata();
    await expect(client.toBroker(2)).rejects.toThrow(
      expect.objectContaining({ code: 'KAFKA_BROKER_UNKNOWN', retriable: true }),
    );
    nameBrokers(one, two);
    await expect(client.toBroker(2)).resolves.toMatchObject({ isOpen: true });
  });

  test('connects again when a connection ended', async () => {
    const first = await client.toBroker(2);
    for (const socket of two.sockets) socket.destroy();
    await expect.poll(() => first.isOpen).toBe(false);
    const second = await client.toBroker(2);
    expect(second).not.toBe(first);
    expect(two.connections).toBe(2);
  });

  test('leaves a broker alone for longer after each failure', async () => {
    await client.metadata();
    const { endpoint } = two;
    two.offered = [];
    for (const backoffMs of [100, 200, 400]) {
      const before = two.connections;
      await expect(client.toBroker(2)).rejects.toThrow('ApiVersions was refused');
      clock.now += backoffMs - 1;
      await expect(client.toBroker(2)).rejects.toThrow('ApiVersions was refused');
      expect(two.connections).toBe(before + 1);
      clock.now += 1;
    }
    expect(two.endpoint).toEqual(endpoint);
  });

  test('asks for the address again of a broker that could not be reached', async () => {
    await client.metadata();
    two.offered = [];
    await expect(client.toBroker(2)).rejects.toThrow('ApiVersions was refused');
    await expect(client.toBroker(2)).rejects.toThrow('ApiVersions was refused');
    expect(metadataRequests()).toBe(2);
  });

  test('goes on to the next bootstrap address', async () => {
    const gone = await FakeBroker.start();
    const { endpoint } = gone;
    await gone.stop();
    const other = newClient({ bootstrap: [endpoint, two.endpoint] });
    await expect(other.metadata()).resolves.toMatchObject({ clusterId: 'c' });
    await other.close();
  });

  test('says what the last address answered when none can be reached', async () => {
    const gone = await FakeBroker.start();
    const { endpoint } = gone;
    await gone.stop();
    const other = newClient({ bootstrap: [endpoint] });
    await expect(other.toAny()).rejects.toThrow(
      expect.objectContaining({ code: 'KAFKA_CONNECTION_LOST', retriable: true }),
    );
  });

  test('closes the connections to addresses that are no longer named', async () => {
    await client.toBroker(2);
    nameBrokers(one);
    await client.refresh();
    await expect.poll(() => two.sockets.size).toBe(0);
  });

  test('takes no calls after it was closed, and leaves no connection', async () => {
    await client.toBroker(2);
    await client.close();
    await expect(client.toBroker(2)).rejects.toThrow(
      expect.objectContaining({ code: 'KAFKA_CONNECTION_LOST' }),
    );
    await expect.poll(() => one.sockets.size + two.sockets.size).toBe(0);
  });
});
