import { afterEach, expect, test, vi } from 'vitest';
import { type Broker, type ClusterMetadata, OutriggerError } from '../../../../kafka/index.ts';
import { ClusterView } from '../../../../proxy/cluster/cluster-view.ts';
import { broker } from '../../../support/members.ts';
import { quiet } from '../../../support/proxied-connection.ts';

afterEach(() => {
  vi.useRealTimers();
});

function metadataOf(brokers: readonly Broker[], controllerId = 1): ClusterMetadata {
  const byId = new Map(brokers.map((one) => [one.id, one]));
  return { clusterId: 'cluster', controllerId, brokers: byId };
}

/** A view of a cluster whose next answers the test decides. */
function viewOf(answer: () => ClusterMetadata) {
  vi.useFakeTimers();
  let asked = 0;
  let changes = 0;
  const view = new ClusterView({
    client: {
      refresh: async () => {
        asked += 1;
        return answer();
      },
    },
    bootstrap: [
      { host: 'one', port: 9092 },
      { host: 'two', port: 9093 },
    ],
    startTimeoutMs: 5_000,
    refreshIntervalMs: 60_000,
    now: () => Date.now(),
    log: quiet,
  });
  view.subscribe(() => (changes += 1));
  return { view, asked: () => asked, changes: () => changes };
}

test('knows the brokers, the controller and the cluster after its start', async () => {
  const { view } = viewOf(() => metadataOf([broker(2), broker(1)]));
  await view.start();
  expect(view.brokers).toEqual([broker(1), broker(2)]);
  expect(view.clusterId).toBe('cluster');
  expect(view.controllerId).toBe(1);
  view.close();
});

test('a start tries again, and fails in bounded time with the addresses and the cause', async () => {
  const { view, asked } = viewOf(() => {
    throw new OutriggerError('KAFKA_CONNECTION_LOST', 'no connection to two:9093');
  });
  const started = expect(view.start()).rejects.toMatchObject({
    code: 'PROXY_BROKER_UNREACHABLE',
    message: expect.stringMatching(/one:9092, two:9093.*no connection to two:9093/),
  });
  await vi.advanceTimersByTimeAsync(6_000);
  await started;
  expect(asked()).toBeGreaterThan(2);
});

test('a start with credentials that are refused fails at once', async () => {
  const { view, asked } = viewOf(() => {
    throw new OutriggerError('KAFKA_AUTHENTICATION_FAILED', 'invalid credentials');
  });
  await expect(view.start()).rejects.toThrow('invalid credentials');
  expect(asked()).toBe(1);
});

test('a broker id that leaves no room for diskless nodes is refused at start', async () => {
  const { view } = viewOf(() => metadataOf([broker(2 ** 20)]));
  await expect(view.start()).rejects.toMatchObject({ code: 'PROXY_BROKER_ID_UNSUPPORTED' });
});

test('and left out when it joins later', async () => {
  let brokers = [broker(1)];
  const { view } = viewOf(() => metadataOf(brokers));
  await view.start();
  brokers = [broker(1), broker(2 ** 20), broker(3)];
  await vi.advanceTimersByTimeAsync(60_000);
  expect(view.brokers.map(({ id }) => id)).toEqual([1, 3]);
  view.close();
});

test('tells when brokers come, move or go, and keeps the address of one that is gone', async () => {
  let brokers = [broker(1), broker(2)];
  const { view, changes } = viewOf(() => metadataOf(brokers));
  await view.start();
  expect(changes()).toBe(1);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(changes()).toBe(1);
  brokers = [broker(1), { ...broker(2), port: 9999 }];
  await vi.advanceTimersByTimeAsync(60_000);
  expect(changes()).toBe(2);
  brokers = [broker(1)];
  await vi.advanceTimersByTimeAsync(60_000);
  expect(changes()).toBe(3);
  expect(view.brokers).toEqual([broker(1)]);
  expect(view.broker(2)?.port).toBe(9999);
  view.close();
});

test('an answer with other brokers has the cluster asked soon, but not for each of them', async () => {
  let brokers = [broker(1)];
  const { view, asked } = viewOf(() => metadataOf(brokers));
  await view.start();
  view.notice([broker(1)]);
  await vi.advanceTimersByTimeAsync(2_000);
  expect(asked()).toBe(1);
  brokers = [broker(1), broker(2)];
  for (let seen = 0; seen < 10; seen++) view.notice(brokers);
  await vi.advanceTimersByTimeAsync(1);
  expect(asked()).toBe(2);
  expect(view.brokers).toHaveLength(2);
  for (let seen = 0; seen < 10; seen++) view.askSoon();
  await vi.advanceTimersByTimeAsync(500);
  expect(asked()).toBe(2);
  await vi.advanceTimersByTimeAsync(500);
  expect(asked()).toBe(3);
  view.close();
});

test('a cluster that does not answer for a while leaves what is known in use', async () => {
  let reachable = true;
  const { view } = viewOf(() => {
    if (!reachable) throw new Error('no broker');
    return metadataOf([broker(1)]);
  });
  await view.start();
  reachable = false;
  await vi.advanceTimersByTimeAsync(120_000);
  expect(view.brokers).toEqual([broker(1)]);
  view.close();
});
