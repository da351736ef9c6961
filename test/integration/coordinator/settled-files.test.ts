/** What workers learn of the files that proxies announced. */
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { packFile } from '../../../coordinator/file-record.ts';
import { type RedisWorkerCoordinator, settledRange } from '../../../coordinator/index.ts';
import { coordinatorKeys } from '../../../coordinator/keys.ts';
import { CoordinatorScripts, SETTLED_RANGE_SIZE } from '../../../coordinator/redis/scripts.ts';
import type { RedisSession } from '../../../coordinator/redis/session.ts';
import { file, openSession } from './support.ts';
import { WorkerCoordinators } from './worker-fixture.ts';

const FILES_MAX = 1_000;
let workers: WorkerCoordinators;
let session: RedisSession;
let scripts: CoordinatorScripts;
let worker: RedisWorkerCoordinator;

beforeEach(async () => {
  const { url } = inject('redis');
  workers = new WorkerCoordinators(url);
  session = await openSession(url);
  const keys = coordinatorKeys(workers.clusterId, workers.clusterId);
  scripts = new CoordinatorScripts(session, keys);
  worker = await workers.start();
});
afterEach(async () => {
  await workers.closeAll();
  session.close();
});

async function announce(...fileIds: bigint[]): Promise<void> {
  for (const fileId of fileIds) await scripts.announceFile(packFile(file(fileId)), FILES_MAX);
}

/** As after a failover: everything is there, under another replication id. */
async function failOver(): Promise<void> {
  const { settled } = coordinatorKeys(workers.clusterId, workers.clusterId);
  await session.call('HSET', [settled, 'replicationId', 'of another life']);
}

test('settled files come by their numbers, unsettled ones by their age', async () => {
  expect(await worker.settledCount()).toBe(SETTLED_RANGE_SIZE);
  await announce(5n, 3n, 9n, 7n);
  for (const fileId of [9n, 3n]) await scripts.settleFile(fileId);
  const count = await worker.settledCount();
  expect(count).toBe(SETTLED_RANGE_SIZE + 2);
  expect(await worker.settledFiles(0, 10)).toEqual([
    { ...file(9n), settledNumber: SETTLED_RANGE_SIZE + 1 },
    { ...file(3n), settledNumber: SETTLED_RANGE_SIZE + 2 },
  ]);
  expect(await worker.settledFiles(SETTLED_RANGE_SIZE + 1, 10)).toHaveLength(1);
  expect(await worker.settledFiles(0, 1)).toHaveLength(1);
  expect(await worker.unsettledFiles(file(7n).createdMs, 10)).toEqual([file(5n)]);
  expect(await worker.unsettledFiles(Number.MAX_SAFE_INTEGER, 10)).toEqual([file(5n), file(7n)]);
  expect(await worker.unsettledFiles(Number.MAX_SAFE_INTEGER, 1)).toEqual([file(5n)]);
});

test('files that name very many partitions come in smaller pages, and none is left out', async () => {
  const partitions = Array.from({ length: 40_000 }, (_, partition) => {
    return { topic: 'orders', partition, batchCount: 1, bytes: 100 };
  });
  await worker.settledCount();
  const fileIds = [1n, 2n, 3n, 4n];
  for (const fileId of fileIds) {
    await scripts.announceFile(packFile({ ...file(fileId), partitions }), FILES_MAX);
    await scripts.settleFile(fileId);
  }
  const first = await worker.settledFiles(0, 10);
  expect(first.map(({ fileId }) => fileId)).toEqual([1n, 2n, 3n]);
  const second = await worker.settledFiles(first.at(-1)?.settledNumber ?? 0, 10);
  expect(second.map(({ fileId }) => fileId)).toEqual([4n]);
  expect(await worker.settledFiles(second.at(-1)?.settledNumber ?? 0, 10)).toEqual([]);
});

test('after a failover the count goes on in another range, which the worker claims', async () => {
  const before = await worker.settledCount();
  await failOver();
  const after = await worker.settledCount();
  expect(settledRange(after ?? 0)).toBeGreaterThan(settledRange(before ?? 0));
  expect(await worker.settledCount()).toBe(after);
});

test('no count is vouched for while no range can be claimed', async () => {
  workers.claims.isFailing = true;
  await expect(worker.settledCount()).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
  workers.claims.isFailing = false;
  expect(await worker.settledCount()).toBe(SETTLED_RANGE_SIZE);
});

test('an abandoned file is settled once, whether or not Redis knows it', async () => {
  await announce(4n);
  const known = await worker.settleAbandoned(file(4n));
  expect(await worker.settleAbandoned(file(4n))).toBe(known);
  const unknown = await worker.settleAbandoned(file(6n));
  expect(unknown).toBe(known + 1);
  expect(await worker.settledFiles(0, 10)).toEqual([
    { ...file(4n), settledNumber: known },
    { ...file(6n), settledNumber: unknown },
  ]);
  expect(await worker.unsettledFiles(Number.MAX_SAFE_INTEGER, 10)).toEqual([]);
});

test('files that are forgotten are gone, settled or not', async () => {
  const many = Array.from({ length: 300 }, (_, index) => BigInt(index + 1));
  await announce(...many);
  await worker.settledCount();
  await scripts.settleFile(1n);
  const gone = many.slice(0, 299);
  expect(await worker.knownFiles([...many, 1_000n])).toEqual(new Set(many));
  for (const _ of [1, 2]) await worker.forgetFiles(gone);
  expect(await worker.knownFiles(many)).toEqual(new Set([300n]));
  expect(await worker.settledFiles(0, 10)).toEqual([]);
  expect(await worker.unsettledFiles(Number.MAX_SAFE_INTEGER, 10)).toEqual([file(300n)]);
});

test('a record that cannot be read hides no other', async () => {
  const { files } = coordinatorKeys(workers.clusterId, workers.clusterId);
  await announce(1n, 2n);
  const id = Buffer.alloc(8);
  id.writeBigUInt64BE(1n);
  await session.call('HSET', [files, id, 'of a newer version']);
  expect(await worker.unsettledFiles(Number.MAX_SAFE_INTEGER, 10)).toEqual([file(2n)]);
});

test('samples that are asked for replace those asked for before', async () => {
  expect(await worker.requestedSamples()).toEqual([]);
  const first = [
    { topic: 'orders', partition: 3 },
    { topic: 'orders', partition: 100_000 },
    { topic: 'clicks', partition: 0 },
  ];
  await worker.requestSamples(first);
  expect(await worker.requestedSamples()).toEqual(first);
  await worker.requestSamples([]);
  expect(await worker.requestedSamples()).toEqual([]);
});
