import { expect, test } from 'vitest';
import { walKey } from '../../../../storage/index.ts';
import type { BatchRequest } from '../../../../proxy/read/batch-source.ts';
import { DOWN, SOUND } from '../wal/faulty-object-store.ts';
import { batchOf, ReadHarness } from './read-harness.ts';

function firstOf(requests: readonly BatchRequest[]): BatchRequest {
  const [first] = requests;
  if (first === undefined) throw new TypeError('there is no request');
  return first;
}

/** The error's code, or what was resolved instead. */
async function codeOf(resolving: Promise<Buffer>): Promise<string> {
  try {
    return `resolved ${(await resolving).length} bytes`;
  } catch (error) {
    if (error instanceof Error && 'code' in error) return String(error.code);
    throw error;
  }
}

test('all batches of a file are resolved with one read of the store', async () => {
  const harness = new ReadHarness();
  const batches = [batchOf(100, 'a', 1), batchOf(200, 'b', 0), batchOf(300, 'a', 1)];
  const requests = harness.storeFile(batches);
  const resolved = await Promise.all(requests.map((request) => harness.resolver.resolve(request)));
  expect(resolved.map((batch, index) => batch.equals(batches[index]?.bytes ?? batch))).toEqual([
    true,
    true,
    true,
  ]);
  expect(harness.store.gets).toHaveLength(1);
  expect(requests.map((request) => harness.resolver.peek(request)?.length)).toEqual([
    100, 200, 300,
  ]);
  expect(harness.store.gets).toHaveLength(1);
  expect(harness.budget.bytesHeld).toBe(0);
});

test('peek never asks the store', () => {
  const harness = new ReadHarness();
  const request = firstOf(harness.storeFile([batchOf(100)]));
  expect(harness.resolver.peek(request)).toBe(undefined);
  expect(harness.store.gets).toEqual([]);
});

test('a file longer than expected is read whole, within what was reserved', async () => {
  const harness = new ReadHarness({ fileBytesExpected: 500, loadBytesMax: 1_000 });
  const batches = Array.from({ length: 40 }, () => batchOf(200));
  const requests = harness.storeFile(batches);
  const batch = await harness.resolver.resolve(firstOf(requests));
  expect(batch.equals(batches[0]?.bytes ?? Buffer.alloc(0))).toBe(true);
  expect(harness.store.gets).toHaveLength(4);
  expect(harness.budget.bytesHeld).toBe(0);
});

test('the first read is as long as the pointer says that the file must be', async () => {
  const harness = new ReadHarness({ fileBytesExpected: 500 });
  const requests = harness.storeFile(Array.from({ length: 40 }, () => batchOf(200)));
  const last = requests.at(-1);
  if (last === undefined) throw new TypeError('there is no request');
  await harness.resolver.resolve(last);
  expect(harness.store.gets).toHaveLength(2);
});

test('files on their way wait for room in the budget', async () => {
  const harness = new ReadHarness({ fileBytesExpected: 60_000, loadBytesMax: 100_000 });
  harness.store.onGet = () => ({ kind: 'none', afterMs: 50 });
  const requests = [1, 2].map(() => firstOf(harness.storeFile([batchOf(100)])));
  const resolving = requests.map((request) => harness.resolver.resolve(request));
  await harness.clock.advance(49);
  expect(harness.store.gets).toHaveLength(1);
  await harness.clock.advance(100);
  expect((await Promise.all(resolving)).map((batch) => batch.length)).toEqual([100, 100]);
});

test('while the store is down a batch is unavailable, and once it is back it is served', async () => {
  const harness = new ReadHarness();
  const request = firstOf(harness.storeFile([batchOf(100)]));
  harness.store.onGet = (call) => (call < 2 ? DOWN : SOUND);
  expect(await codeOf(harness.resolver.resolve(request))).toBe('PROXY_FILL_UNAVAILABLE');
  await expect(harness.resolver.resolve(request)).rejects.toMatchObject({ retriable: true });
  expect(await codeOf(harness.resolver.resolve(request))).toBe('resolved 100 bytes');
  expect(harness.alarms).toEqual([]);
  expect(harness.budget.bytesHeld).toBe(0);
});

test('an object that is gone raises one alarm, and is looked for again only now and then', async () => {
  const harness = new ReadHarness();
  const requests = harness.storeFile([batchOf(100), batchOf(100)]);
  const file = harness.fileOf(firstOf(requests));
  const key = walKey(firstOf(requests).pointer.fileId);
  harness.store.objects.delete(key);
  for (const request of [...requests, ...requests]) {
    expect(await codeOf(harness.resolver.resolve(request))).toBe('PROXY_OBJECT_MISSING');
  }
  expect(harness.store.gets).toHaveLength(1);
  expect(harness.alarms).toHaveLength(1);
  expect(harness.alarms[0]).toContain(key);
  harness.store.objects.set(key, file);
  await harness.clock.advance(10_000);
  expect(await codeOf(harness.resolver.resolve(firstOf(requests)))).toBe('resolved 100 bytes');
});

test('no damaged byte of a file is ever served', async () => {
  const sound = new ReadHarness();
  const fileBytes = sound.fileOf(firstOf(sound.storeFile([batchOf(100)]))).length;
  for (let at = 0; at < fileBytes; at++) {
    const harness = new ReadHarness();
    const damaged = firstOf(harness.storeFile([batchOf(100)]));
    const file = harness.fileOf(damaged);
    file.writeUInt8(file.readUInt8(at) ^ 0x40, at);
    expect(await codeOf(harness.resolver.resolve(damaged))).toBe('PROXY_OBJECT_CORRUPT');
    expect(harness.store.gets).toHaveLength(2);
    expect(harness.alarms).toHaveLength(1);
    expect(harness.cache.stats.tailFiles).toBe(0);
  }
});

test('bytes damaged on their way are put right by a second read', async () => {
  const harness = new ReadHarness();
  const request = firstOf(harness.storeFile([batchOf(100)]));
  const key = walKey(request.pointer.fileId);
  const sound = harness.fileOf(request);
  harness.store.onGet = (call) => {
    harness.store.objects.set(key, call === 0 ? sound.subarray(0, 120) : sound);
    return SOUND;
  };
  expect(await codeOf(harness.resolver.resolve(request))).toBe('resolved 100 bytes');
  expect(harness.alarms).toEqual([]);
});

test('a cached file that is not what the pointer says is read again from the store', async () => {
  const harness = new ReadHarness();
  const batch = batchOf(100);
  const request = firstOf(harness.storeFile([batch]));
  const inMemory = Buffer.from(harness.fileOf(request));
  inMemory.fill(0, request.pointer.position, request.pointer.position + 50);
  harness.cache.add(request.pointer.fileId, inMemory);
  expect(harness.resolver.peek(request)).toBe(undefined);
  expect((await harness.resolver.resolve(request)).equals(batch.bytes)).toBe(true);
  expect(harness.resolver.peek(request)?.equals(batch.bytes)).toBe(true);
});

test('a pointer is never answered with another batch, and others of the file stay served', async () => {
  const harness = new ReadHarness();
  const [first, second] = harness.storeFile([batchOf(100, 'a', 0), batchOf(100, 'a', 0)]);
  if (first === undefined || second === undefined) throw new TypeError('two were stored');
  const { pointer } = first;
  const wrong: BatchRequest[] = [
    { ...first, topic: 'b' },
    { ...first, partition: 1 },
    { ...first, pointer: { ...pointer, position: pointer.position + 1 } },
    { ...first, pointer: { ...pointer, length: 99 } },
    { ...first, pointer: { ...pointer, crc: second.pointer.crc } },
    { ...first, pointer: { ...pointer, attributes: 0 } },
    { ...first, pointer: { ...pointer, position: 0xffff_ffff, length: 0xffff } },
  ];
  for (const request of wrong) {
    expect(harness.resolver.peek(request)).toBe(undefined);
    expect(await codeOf(harness.resolver.resolve(request))).toBe('PROXY_OBJECT_CORRUPT');
  }
  expect(await codeOf(harness.resolver.resolve(second))).toBe('resolved 100 bytes');
  expect(harness.alarms).toHaveLength(1);
});

test('a wrong pointer into a sound file costs the store one read, not one per fetch', async () => {
  const harness = new ReadHarness();
  const request = firstOf(harness.storeFile([batchOf(100)]));
  const wrong = { ...request, topic: 'another' };
  for (let i = 0; i < 5; i++) {
    expect(await codeOf(harness.resolver.resolve(wrong))).toBe('PROXY_OBJECT_CORRUPT');
  }
  expect(harness.store.gets).toHaveLength(1);
});

test('a file of another cluster is not believed', async () => {
  const harness = new ReadHarness();
  const request = firstOf(harness.storeFile([batchOf(100)], 0, 'another cluster'));
  expect(await codeOf(harness.resolver.resolve(request))).toBe('PROXY_OBJECT_CORRUPT');
});
