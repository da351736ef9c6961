import { expect, test } from 'vitest';
import { crc32c } from '../../../../kafka/index.ts';
import { fileCreatedMs, walKey } from '../../../../storage/index.ts';
import { WAL_REQUEST_BYTES_MAX } from '../../../../proxy/wal/wal-writer.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { DOWN, SOUND } from './faulty-object-store.ts';
import { batchOf, storedOf, WriterHarness } from './writer-harness.ts';

test('a request on a quiet writer is uploaded at once, found, cached and announced', async () => {
  const harness = new WriterHarness();
  const batches = [batchOf(100, 'a', 1), batchOf(200, 'b', 0), batchOf(300, 'a', 1)];
  const held = harness.offer(batches);
  await harness.clock.advance(0);

  const stored = storedOf(held);
  for (const [index, batch] of batches.entries()) {
    expect(harness.batchAt(stored, index, batch).equals(batch.bytes)).toBe(true);
  }
  const file = harness.cached.get(stored.fileId);
  expect(file?.equals(harness.store.objects.get(walKey(stored.fileId)) ?? Buffer.alloc(0))).toBe(
    true,
  );
  expect(harness.store.puts[0]?.crc32c).toBe(crc32c(file ?? Buffer.alloc(0)));
  expect(harness.announced).toEqual([
    {
      fileId: stored.fileId,
      bytes: file?.length,
      memberId: 7,
      rack: 'a',
      createdMs: FakeClock.EPOCH_MS,
      partitions: [
        { topic: 'a', partition: 1, batchCount: 2, bytes: 400 },
        { topic: 'b', partition: 0, batchCount: 1, bytes: 200 },
      ],
    },
  ]);
  expect(stored.commitByMs).toBe(60_000);
});

test('requests that come during an upload share the next file', async () => {
  const harness = new WriterHarness();
  harness.store.onPut = () => ({ kind: 'none', afterMs: 40 });
  const first = harness.offer([batchOf(100)]);
  const others = [harness.offer([batchOf(100)]), harness.offer([batchOf(100)])];
  await harness.clock.advance(40);
  expect(storedOf(first).fileId).not.toBe(undefined);
  expect(others.map((held) => held.outcome)).toEqual([undefined, undefined]);
  await harness.clock.advance(40);
  const [fileId, sameFileId] = others.map((held) => storedOf(held).fileId);
  expect(fileId).toBe(sameFileId);
  expect(harness.store.puts.map((put) => put.atMs)).toEqual([0, 40]);
});

test('a busy writer uploads at the linger while another upload is in flight', async () => {
  const harness = new WriterHarness();
  harness.store.onPut = () => ({ kind: 'none', afterMs: 5_000 });
  harness.offer([batchOf(100)]);
  await harness.clock.advance(10);
  harness.offer([batchOf(100)]);
  await harness.clock.advance(100);
  harness.offer([batchOf(100)]);
  await harness.clock.advance(1_000);
  expect(harness.store.puts.map((put) => put.atMs)).toEqual([0, 260]);
  expect(harness.writer.stats.flushes).toEqual({ size: 0, linger: 1, idle: 1 });
});

test('early flushes stop when the PUT budget is used up, and requests then share the linger', async () => {
  const harness = new WriterHarness({ putsPerSecond: 2 });
  for (let i = 0; i < 20; i++) {
    harness.offer([batchOf(100)]);
    await harness.clock.advance(10);
  }
  expect(harness.store.puts.map((put) => put.atMs)).toEqual([0, 10]);
  await harness.clock.advance(1_000);
  expect(harness.store.puts.map((put) => put.atMs)).toEqual([0, 10, 270]);
});

test('below break-even batches go real at once, above it they go to object storage', async () => {
  const harness = new WriterHarness({ minBytes: 5_000 });
  expect(harness.writer.offer([batchOf(1_000)]).kind).toBe('real');
  await harness.clock.advance(60_000);
  let kinds = '';
  for (let i = 0; i < 100; i++) {
    kinds += harness.writer.offer([batchOf(1_000)]).kind === 'wal' ? 'w' : 'r';
    await harness.clock.advance(10);
  }
  expect(kinds).toMatch(/^r{30,50}w{50,70}$/);
  expect(harness.writer.stats.requestsReal).toBe(1 + kinds.lastIndexOf('r') + 1);
  await harness.clock.advance(60_000);
  expect(harness.writer.offer([batchOf(1_000)]).kind).toBe('real');
});

test('one request that is worth a PUT by itself is uploaded on a quiet writer', () => {
  const harness = new WriterHarness({ minBytes: 5_000 });
  expect(harness.writer.offer([batchOf(5_000)]).kind).toBe('wal');
});

test('a request that no reader could get back goes real', () => {
  const harness = new WriterHarness({ maxBytes: WAL_REQUEST_BYTES_MAX * 2 });
  const bytes = Buffer.alloc(WAL_REQUEST_BYTES_MAX);
  expect(harness.writer.offer([{ topic: 't', partition: 0, bytes }]).kind).toBe('real');
});

test('a full buffer takes nothing more until a file leaves it', async () => {
  const harness = new WriterHarness({ uploadsMax: 1, maxBytes: 1_000, bufferBytesMax: 2_000 });
  harness.store.onPut = () => ({ kind: 'none', afterMs: 40 });
  const taken = [harness.offer([batchOf(900)])];
  taken.push(harness.offer([batchOf(900)]), harness.offer([batchOf(900)]));
  const refused = harness.writer.offer([batchOf(900)]);
  if (refused.kind !== 'full') throw new TypeError(refused.kind);
  let roomAtMs: number | undefined;
  void refused.room.then(() => (roomAtMs = harness.clock.monotonicMs()));
  await harness.clock.advance(39);
  expect(roomAtMs).toBe(undefined);
  await harness.clock.advance(1);
  expect(roomAtMs).toBe(40);
  taken.push(harness.offer([batchOf(900)]));
  await harness.clock.advance(1_000);
  expect(new Set(taken.map((held) => storedOf(held).fileId)).size).toBe(4);
});

test('a request larger than the whole buffer is taken when nothing else waits', async () => {
  const harness = new WriterHarness({ maxBytes: 1_000, bufferBytesMax: 2_000 });
  const held = harness.offer([batchOf(5_000)]);
  await harness.clock.advance(0);
  expect(storedOf(held).positions).toHaveLength(1);
});

test('an id that exists is never taken for one’s own: the file goes under another', async () => {
  const harness = new WriterHarness();
  harness.store.onPut = (call) => (call < 2 ? { kind: 'exists' } : SOUND);
  const batch = batchOf(100);
  const held = harness.offer([batch]);
  await harness.clock.advance(0);
  const stored = storedOf(held);
  expect(new Set(harness.store.puts.map((put) => put.key)).size).toBe(3);
  expect(walKey(stored.fileId)).toBe(harness.store.puts[2]?.key);
  expect(harness.batchAt(stored, 0, batch).equals(batch.bytes)).toBe(true);
  expect(harness.announced).toHaveLength(1);
});

test('after an answer that did not come the file goes under another id, with a deadline anew', async () => {
  const harness = new WriterHarness();
  harness.store.onPut = (call) => (call === 0 ? { kind: 'hangs', stores: true } : SOUND);
  const batch = batchOf(100);
  const held = harness.offer([batch]);
  await harness.clock.advance(10_100);
  const stored = storedOf(held);
  expect(harness.store.objects.size).toBe(2);
  expect(walKey(stored.fileId)).toBe(harness.store.puts[1]?.key);
  expect(fileCreatedMs(stored.fileId)).toBe(FakeClock.EPOCH_MS + 10_100);
  expect(stored.commitByMs).toBe(10_100 + 60_000);
  expect(harness.announced.map((file) => file.fileId)).toEqual([stored.fileId]);
  expect(harness.batchAt(stored, 0, batch).equals(batch.bytes)).toBe(true);
});

test('an error that no retry can cure fails the request at once', async () => {
  const harness = new WriterHarness();
  harness.store.onPut = () => ({ kind: 'refused', retriable: false });
  const held = harness.offer([batchOf(100)]);
  await harness.clock.advance(0);
  expect(held.outcome).toMatchObject({
    kind: 'failed',
    error: { code: 'PROXY_WAL_UPLOAD_FAILED', retriable: true, cause: { code: 'STORAGE_DENIED' } },
  });
  expect(harness.store.puts).toHaveLength(1);
  expect(harness.announced).toEqual([]);
});

test('every request has its outcome within the produce timeout, slot or no slot', async () => {
  const harness = new WriterHarness({
    uploadsMax: 1,
    maxBytes: 500,
    produceTimeoutMs: 3_000,
    putTimeoutMs: 60_000,
  });
  harness.store.onPut = () => ({ kind: 'hangs', stores: false });
  const uploading = harness.offer([batchOf(400)]);
  const waiting = harness.offer([batchOf(400)]);
  await harness.clock.advance(2_999);
  expect([uploading.outcome, waiting.outcome]).toEqual([undefined, undefined]);
  await harness.clock.advance(1);
  expect([uploading.outcome?.kind, waiting.outcome?.kind]).toEqual(['failed', 'failed']);
});

test('an outage opens the circuit, fails what waits, refuses the rest, and a probe closes it', async () => {
  const harness = new WriterHarness({ uploadsMax: 2, maxBytes: 500 });
  harness.store.onPut = () => DOWN;
  const held = [1, 2, 3, 4].map(() => harness.offer([batchOf(400)]));
  await harness.clock.advance(5_000);
  expect(held.map(({ outcome }) => outcome?.kind)).toEqual([
    'failed',
    'failed',
    'failed',
    'failed',
  ]);
  expect(harness.writer.health()).toBe('failing');
  expect(harness.writer.offer([batchOf(400)]).kind).toBe('unavailable');
  const puts = harness.store.puts.length;
  await harness.clock.advance(3_000);
  expect(harness.store.puts.slice(puts).map((put) => put.key)).toEqual(
    Array.from({ length: 3 }, () => 'health/7'),
  );
  harness.store.onPut = () => SOUND;
  await harness.clock.advance(1_000);
  expect(harness.writer.health()).toBe('ok');
  expect(harness.clock.timers).toBe(0);
  const after = harness.offer([batchOf(400)]);
  await harness.clock.advance(0);
  expect(storedOf(after).kind).toBe('stored');
});

test('a few failures in a short time are what retries are for', async () => {
  const harness = new WriterHarness();
  harness.store.onPut = (call) => (call < 4 ? DOWN : SOUND);
  const held = harness.offer([batchOf(100)]);
  await harness.clock.advance(1_500);
  expect(storedOf(held).kind).toBe('stored');
  expect(harness.writer.health()).toBe('ok');
});

test('a hanging store is found out after as many timeouts as failures, not one per request', async () => {
  const harness = new WriterHarness({ maxBytes: 500, uploadsMax: 3 });
  harness.store.onPut = () => ({ kind: 'hangs', stores: false });
  const held = [1, 2, 3, 4, 5, 6].map(() => harness.offer([batchOf(400)]));
  await harness.clock.advance(10_000);
  expect(harness.writer.health()).toBe('failing');
  await harness.clock.advance(100);
  expect(held.every(({ outcome }) => outcome?.kind === 'failed')).toBe(true);
});

test('a closed writer uploads what it has without lingering, and takes nothing more', async () => {
  const harness = new WriterHarness({ putsPerSecond: 1 });
  harness.store.onPut = () => ({ kind: 'none', afterMs: 40 });
  const held = [harness.offer([batchOf(100)]), harness.offer([batchOf(100)])];
  let closedAtMs: number | undefined;
  void harness.writer.close(10_000).then(() => (closedAtMs = harness.clock.monotonicMs()));
  expect(harness.writer.offer([batchOf(100)]).kind).toBe('unavailable');
  await harness.clock.advance(1_000);
  expect(held.map((one) => storedOf(one).kind)).toEqual(['stored', 'stored']);
  expect(closedAtMs).toBe(40);
  expect(harness.clock.timers).toBe(0);
});

test('closing ends at its deadline, and what is still buffered fails', async () => {
  const harness = new WriterHarness({ uploadsMax: 1 });
  harness.store.onPut = () => ({ kind: 'hangs', stores: false });
  harness.offer([batchOf(100)]);
  const waiting = harness.offer([batchOf(100)]);
  const closed = harness.writer.close(5_000);
  await harness.clock.advance(5_000);
  await closed;
  expect(waiting.outcome?.kind).toBe('failed');
});

test('a file is settled when the broker has answered for all its requests, or never got them', async () => {
  const harness = new WriterHarness();
  harness.store.onPut = () => ({ kind: 'none', afterMs: 40 });
  harness.offer([batchOf(100)]);
  const held = [1, 2, 3].map(() => harness.offer([batchOf(100)]));
  await harness.clock.advance(80);
  const [first, second, third] = held.map(storedOf);
  first?.share.ended('answered');
  second?.share.ended('unsent');
  expect(harness.settled).toEqual([]);
  third?.share.ended('answered');
  expect(harness.settled).toEqual([third?.fileId]);
});
