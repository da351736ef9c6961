import { expect, test } from 'vitest';
import { buildRecordBatch, pointerTo } from '../../../../kafka/index.ts';
import { buildWalFile, walKey } from '../../../../storage/index.ts';
import { walBatchIn, WalFiles } from '../../../../workers/wal/wal-files.ts';
import { MemoryStore } from '../../storage/memory-store.ts';

const CLUSTER = 'cluster';
const ID = { topic: 'orders', partition: 3 };
const batch = buildRecordBatch({}, [{ value: Buffer.from('value') }]);

function fileOf(clusterId = CLUSTER): { file: Buffer; position: number } {
  const batches = [{ ...ID, bytes: batch }];
  const { file, positions } = buildWalFile({ clusterId, memberId: 0, createdMs: 1, batches });
  return { file, position: positions[0] ?? 0 };
}

/** @returns a store that counts what is read of it, and the files of it as jobs see them */
function filesIn(objects: readonly (readonly [bigint, Buffer])[], bytesMax = 1_000_000) {
  const store = new MemoryStore();
  for (const [fileId, file] of objects) store.objects.set(walKey(fileId), file);
  const read: string[] = [];
  const getRange = store.getRange.bind(store);
  store.getRange = async (key, ...rest) => {
    read.push(key);
    return await getRange(key, ...rest);
  };
  const home = { store, clusterId: CLUSTER };
  const files = new WalFiles(bytesMax);
  return { store, read, get: async (fileId: bigint) => files.get(fileId, home) };
}

test('a file is read once by all who ask for it, and once more when it had to go', async () => {
  const { file } = fileOf();
  const { read, get } = filesIn([[1n, file] as const, [2n, file] as const], file.length);
  const outcomes = await Promise.all([get(1n), get(1n), get(1n)]);
  for (const outcome of outcomes) expect(outcome).toEqual({ kind: 'found', file });
  expect(read).toHaveLength(1);
  await get(2n);
  await get(1n);
  expect(read).toEqual([walKey(1n), walKey(2n), walKey(1n)]);
});

test('what is gone, damaged or of another cluster is told apart, and not kept', async () => {
  const damaged = Buffer.from(fileOf().file);
  damaged.writeUInt8(damaged.readUInt8(50) ^ 1, 50);
  const { store, read, get } = filesIn([
    [2n, damaged],
    [3n, fileOf('another').file],
  ]);
  expect(await get(1n)).toEqual({ kind: 'missing' });
  expect(await get(2n)).toMatchObject({ kind: 'corrupt', cause: { code: 'STORAGE_WAL_CORRUPT' } });
  expect(await get(3n)).toMatchObject({
    kind: 'corrupt',
    cause: { code: 'WORKER_OBJECT_CORRUPT' },
  });
  // What is damaged on the way is read a second time.
  expect(read).toHaveLength(5);
  store.objects.set(walKey(1n), fileOf().file);
  expect(await get(1n)).toMatchObject({ kind: 'found' });
});

test('a store that cannot be asked is an error, and the next to ask tries again', async () => {
  const { store, get } = filesIn([[1n, fileOf().file]]);
  const getRange = store.getRange.bind(store);
  let isAway = true;
  store.getRange = async (...asked) => {
    if (isAway) throw new Error('away');
    return await getRange(...asked);
  };
  await expect(get(1n)).rejects.toThrow('away');
  isAway = false;
  expect(await get(1n)).toMatchObject({ kind: 'found' });
});

test('a batch is given only to the pointer that names it', () => {
  const { file, position } = fileOf();
  const pointer = pointerTo(batch, 1n, position);
  expect(walBatchIn(file, pointer, ID)).toEqual({ kind: 'found', batch });
  const others = [
    walBatchIn(file, pointer, { ...ID, partition: 4 }),
    walBatchIn(file, { ...pointer, crc: pointer.crc ^ 1 }, ID),
    walBatchIn(file, { ...pointer, attributes: pointer.attributes ^ 8 }, ID),
    walBatchIn(file, { ...pointer, position: position + 1 }, ID),
    walBatchIn(file, { ...pointer, length: pointer.length - 1 }, ID),
  ];
  for (const outcome of others) expect(outcome.kind).toBe('corrupt');
});
