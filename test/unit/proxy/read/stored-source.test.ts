import { expect, test } from 'vitest';
import {
  BATCH_FIELD,
  BATCH_HEADER_BYTES,
  baseOffset,
  computeBatchCrc,
  lastOffset,
  recordCount,
} from '../../../../kafka/index.ts';
import { entryKey, type Extent } from '../../../../storage/index.ts';
import { GROUP, putMergedFile, putSegments } from '../../../support/stored-log-objects.ts';
import { DOWN, SOUND } from '../wal/faulty-object-store.ts';
import { NAME, StoredHarness, type Produced } from './stored-harness.ts';

async function merge(harness: StoredHarness, batches: readonly Produced[], file = 1) {
  return await putMergedFile(
    harness.bucket,
    NAME,
    file,
    batches.map(({ merged }) => merged),
  );
}

async function mergedLog(harness: StoredHarness, batches: readonly Produced[]): Promise<Extent> {
  const extent = await merge(harness, batches);
  harness.states.set(harness.view({ extents: [extent] }));
  return extent;
}

async function resolveAll(harness: StoredHarness, batches: readonly Produced[]): Promise<boolean> {
  for (const { request, produced, final } of batches) {
    const batch = await harness.resolver.resolve(request);
    if (!batch.equals(produced) && !batch.equals(final)) return false;
  }
  return true;
}

test('what is old and merged is read from the merged file, in one piece', async () => {
  const harness = new StoredHarness();
  const batches = [...harness.produce(5), ...harness.produce(5), ...harness.produce(5)];
  await mergedLog(harness, batches);
  expect(await resolveAll(harness, batches)).toBe(true);
  expect(harness.readFrom).toEqual(['journal']);
  // An index and a block; from then on everything is in memory.
  expect(harness.store.gets).toHaveLength(2);
  expect(batches.every(({ request, final }) => harness.resolver.peek(request)?.equals(final))).toBe(
    true,
  );
  expect(harness.store.gets).toHaveLength(2);
  expect(harness.budget.bytesHeld).toBe(0);
});

test('what is young is read from its WAL file, without a look at the journals', async () => {
  const harness = new StoredHarness();
  const batches = harness.produce(3, 0);
  await mergedLog(harness, batches);
  expect(await resolveAll(harness, batches)).toBe(true);
  expect(harness.readFrom).toEqual(['wal']);
  expect(harness.states.asked).toBe(0);
});

test('above the merge cursor a WAL file is read, however old', async () => {
  const harness = new StoredHarness();
  const merged = harness.produce(2);
  await mergedLog(harness, merged);
  const later = harness.produce(2);
  expect(await resolveAll(harness, later)).toBe(true);
  expect(harness.readFrom).toEqual(['wal']);
});

test('a WAL file that is gone is looked for in merged files, by what the journals say now', async () => {
  const harness = new StoredHarness();
  const batches = harness.produce(4, 0);
  await harness.stored.views.get(NAME);
  await mergedLog(harness, batches);
  harness.deleteWalFiles();
  expect(await resolveAll(harness, batches)).toBe(true);
  expect(harness.alarms).toEqual([]);
});

test('an extent of another history is not believed', async () => {
  const harness = new StoredHarness();
  const batches = harness.produce(3);
  const other = new StoredHarness();
  // The same offsets, other records.
  const replaced = other.produce(3, 0, 25);
  await mergedLog(harness, replaced);
  expect(await resolveAll(harness, batches)).toBe(true);
  expect(harness.readFrom).toContain('wal');
  harness.deleteWalFiles();
  harness.cache.delete(batches[0]?.request.pointer.fileId ?? 0n);
  await expect(harness.resolver.resolve(replaced[0]?.request ?? NEVER)).resolves.toBeDefined();
  const [batch] = batches;
  await expect(harness.resolver.resolve(batch?.request ?? NEVER)).rejects.toMatchObject({
    code: 'PROXY_OBJECT_MISSING',
  });
});

const NEVER = new StoredHarness().produce(1)[0]?.request ?? fail();

function fail(): never {
  throw new TypeError('one was produced');
}

test('where a view leads to a file that was hollowed out, the journals are asked again', async () => {
  const harness = new StoredHarness();
  const batches = harness.produce(4);
  const { position } = await mergedLog(harness, batches);
  await harness.stored.views.get(NAME);
  const again = await merge(harness, batches, 2);
  harness.states.set(harness.view({ extents: [again] }));
  const key = entryKey(GROUP, 1);
  const whole = harness.store.objects.get(key) ?? Buffer.alloc(0);
  harness.store.objects.set(key, whole.subarray(0, position));
  harness.deleteWalFiles();
  expect(await resolveAll(harness, batches)).toBe(true);
  expect(harness.alarms).toEqual([]);
});

test('no damaged byte of a merged batch is served, and a second read puts right what can be', async () => {
  const harness = new StoredHarness();
  const batches = harness.produce(2);
  const { position: start } = await mergedLog(harness, batches);
  harness.deleteWalFiles();
  const file = harness.store.objects.get(entryKey(GROUP, 1)) ?? Buffer.alloc(0);
  const [first] = batches;
  if (first === undefined) throw new TypeError('two were produced');
  for (let at = start + BATCH_FIELD.magic; at < start + first.final.length; at += 7) {
    const damaged = Buffer.from(file);
    damaged.writeUInt8(damaged.readUInt8(at) ^ 0x10, at);
    const reader = new StoredHarness();
    reader.states.set(await viewOf(harness));
    reader.store.objects.set(entryKey(GROUP, 1), damaged);
    const isAlways = at % 2 === 0;
    reader.store.onGet = (call) => {
      if (call === 2 && !isAlways) reader.store.objects.set(entryKey(GROUP, 1), file);
      return SOUND;
    };
    const resolving = reader.resolver.resolve(first.request);
    if (isAlways) await expect(resolving).rejects.toMatchObject({ code: 'PROXY_OBJECT_CORRUPT' });
    else expect((await resolving).equals(first.final)).toBe(true);
  }
});

async function viewOf(harness: StoredHarness) {
  return (await harness.states.get(NAME)) ?? harness.view({});
}

test('while journals cannot be asked WAL files serve, and what needs them is tried again', async () => {
  const harness = new StoredHarness();
  const batches = harness.produce(2);
  await mergedLog(harness, batches);
  harness.states.isDown = true;
  expect(await resolveAll(harness, batches)).toBe(true);
  const [batch] = batches;
  harness.cache.delete(batch?.request.pointer.fileId ?? 0n);
  harness.deleteWalFiles();
  const resolving = harness.resolver.resolve(batch?.request ?? NEVER);
  await expect(resolving).rejects.toMatchObject({
    code: 'PROXY_VIEW_UNAVAILABLE',
    retriable: true,
  });
  harness.states.isDown = false;
  await harness.clock.advance(10_000);
  expect(await resolveAll(harness, batches)).toBe(true);
  expect(harness.alarms.some((line) => line.includes('ALARM'))).toBe(false);
});

test('a store that is down is a failure to be tried again, not a loss', async () => {
  const harness = new StoredHarness();
  const batches = harness.produce(2);
  await mergedLog(harness, batches);
  harness.deleteWalFiles();
  harness.store.onGet = () => DOWN;
  const [batch] = batches;
  const resolving = harness.resolver.resolve(batch?.request ?? NEVER);
  await expect(resolving).rejects.toMatchObject({ retriable: true });
  expect(harness.budget.bytesHeld).toBe(0);
});

test('an extent of many blocks is read ahead of its reader, each byte once', async () => {
  const harness = new StoredHarness({ laggingBytesMax: 2 * 1024 * 1024 });
  const batches = Array.from({ length: 30 }, () => harness.produce(10, undefined, 400)).flat();
  await mergedLog(harness, batches);
  expect(await resolveAll(harness, batches)).toBe(true);
  const bytes = batches.reduce((sum, { final }) => sum + final.length, 0);
  const { stats } = harness.stored.reader;
  expect(stats.reads).toBeGreaterThan(5);
  expect(stats.bytesRead).toBeLessThan(1.2 * bytes);
  expect(harness.stored.batches.stats.readAheads).toBeGreaterThan(stats.reads / 2);
  expect(harness.stored.batches.stats.cachedBytes).toBeLessThanOrEqual(2 * 1024 * 1024);
});

test('a consumer that lags does not evict the end of the log', async () => {
  const harness = new StoredHarness({ laggingBytesMax: 2 * 1024 * 1024 });
  const tail = harness.produce(3, 0);
  await resolveAll(harness, tail);
  const old = Array.from({ length: 60 }, () => harness.produce(10, undefined, 800)).flat();
  await mergedLog(harness, old);
  await resolveAll(harness, old);
  expect(tail.every(({ request }) => harness.resolver.peek(request) !== undefined)).toBe(true);
});

test('a segment serves what fits the placeholder, and nothing else', async () => {
  const harness = new StoredHarness();
  const batches = harness.produce(6);
  const finals = batches.map(({ final }) => final);
  const segments = await putSegments(harness.bucket, NAME, [finals], 0n);
  harness.states.set(harness.view({ segments, consolidatedTo: harness.nextOffset }));
  harness.deleteWalFiles();
  expect(await resolveAll(harness, batches.toReversed())).toBe(true);
  const [batch] = batches;
  if (batch === undefined) throw new TypeError('six were produced');
  const placeholder = Buffer.from(batch.request.placeholder);
  placeholder.writeInt32BE(9, BATCH_FIELD.partitionLeaderEpoch);
  await expect(harness.resolver.resolve({ ...batch.request, placeholder })).rejects.toMatchObject({
    code: 'PROXY_OBJECT_MISSING',
  });
});

test('what compaction took away is an empty batch, and any other gap an alarm', async () => {
  const harness = new StoredHarness();
  const batches = harness.produce(6);
  const kept = batches.filter((_, index) => index !== 1 && index !== 4).map(({ final }) => final);
  const segments = await putSegments(harness.bucket, NAME, [kept], 0n);
  const cleanedTo = batches[2]?.request.offset ?? 0n;
  const consolidatedTo = harness.nextOffset;
  harness.states.set(harness.view({ segments, consolidatedTo, cleanedTo }));
  harness.deleteWalFiles();
  const [, gone, , , lost] = batches;
  const empty = await harness.resolver.resolve(gone?.request ?? NEVER);
  expect([empty.length, recordCount(empty)]).toEqual([BATCH_HEADER_BYTES, 0]);
  expect(baseOffset(empty)).toBe(gone?.request.offset);
  expect(lastOffset(empty)).toBe(lastOffset(gone?.final ?? empty));
  expect(empty.readUInt32BE(BATCH_FIELD.crc)).toBe(computeBatchCrc(empty, 0, empty.length));
  await expect(harness.resolver.resolve(lost?.request ?? NEVER)).rejects.toMatchObject({
    code: 'PROXY_OBJECT_MISSING',
  });
  expect(harness.alarms).toHaveLength(1);
});
