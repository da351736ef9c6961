import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  baseSequence,
  buildRecordBatch,
  deleteHorizonOf,
  emptyBatchOf,
  isControl,
  batchAttributes,
  lastOffset,
  producerId,
  recordCount,
} from '../../../../kafka/index.ts';
import { markerBatch } from '../../storage/segment/random-log.ts';
import { KeyedLog, actions, cleanOnce, latest, readCommitted, recordsOf } from './keyed-log.ts';

const NOW = 1_764_000_100_000;
const DAY = 86_400_000;
const ROOM = { mapBytes: 4_096, deleteRetentionMs: DAY };
/** For the five keys of a batch and no more, of six that there are. */
const NARROW_BYTES = 140;

test('random logs: a consumer ends with the same values, and each key is there once', () => {
  fc.assert(
    fc.property(actions, actions, fc.boolean(), (before, after, isNarrow) => {
      const log = new KeyedLog();
      const mapBytes = isNarrow ? NARROW_BYTES : ROOM.mapBytes;
      let nowMs = NOW;
      let cleanTo = 0n;
      for (const steps of [before, after]) {
        for (const step of steps) log.add(step);
        log.end();
        for (;;) {
          const original = readCommitted(log.batches);
          const pass = cleanOnce(log, { ...ROOM, mapBytes, nowMs, firstDirtyOffset: cleanTo });
          const read = readCommitted(pass.batches);
          expect(latest(read)).toEqual(latest(original));
          const offered = new Map(original.map((record) => [record.offset, record]));
          for (const record of read) expect(offered.get(record.offset)).toEqual(record);
          const clean = read.filter(({ offset }) => offset < pass.endOffset);
          expect(new Set(clean.map(({ key }) => key)).size).toBe(clean.length);
          const ends = [pass.batches, log.batches].map((batches) => batches.at(-1) ?? Buffer.of());
          expect(ends.map((batch) => lastOffset(batch))).toEqual([
            log.endOffset - 1n,
            log.endOffset - 1n,
          ]);
          expect(pass.endOffset).toBeGreaterThan(cleanTo);
          Object.assign(log, { batches: pass.batches, aborted: pass.aborted });
          cleanTo = pass.endOffset;
          nowMs += 1_000;
          if (cleanTo === log.endOffset) break;
          if (!isNarrow) throw new Error('everything has room');
        }
      }
      // Nothing new, but all horizons are over: tombstones and idle markers go.
      nowMs += DAY + 1;
      const values = latest(readCommitted(log.batches));
      for (let round = 0; round < 3; round++) {
        const options = { ...ROOM, nowMs, firstDirtyOffset: cleanTo };
        const pass = cleanOnce(log, options);
        Object.assign(log, { batches: pass.batches, aborted: pass.aborted });
        nowMs += DAY + 1;
      }
      const left = readCommitted(log.batches);
      expect(left.filter(({ value }) => value === null)).toEqual([]);
      expect(latest(left)).toEqual(values);
    }),
  );
});

test('a pass over a log that is clean changes no byte', () => {
  fc.assert(
    fc.property(actions, (steps) => {
      const log = new KeyedLog();
      for (const step of steps) log.add(step);
      log.end();
      const options = { ...ROOM, nowMs: NOW, firstDirtyOffset: 0n };
      // The first empties transactions, the second gives their markers the horizon.
      for (let round = 0; round < 3; round++) {
        const { batches, aborted } = cleanOnce(log, options);
        Object.assign(log, { batches, aborted });
      }
      const again = cleanOnce(log, { ...options, firstDirtyOffset: log.endOffset });
      expect(again.batches.every((batch, index) => batch === log.batches[index])).toBe(true);
      expect(again.aborted).toEqual(log.aborted);
    }),
  );
});

const key = (name: string): Buffer => Buffer.from(name);
const at = (offset: number, more: object = {}) => ({
  baseOffset: BigInt(offset),
  partitionLeaderEpoch: 0,
  baseTimestamp: BigInt(NOW - 1_000),
  ...more,
});
const none = { producers: { list: () => [] }, aborted: [] };
const clean = (batches: Buffer[], nowMs: number, firstDirtyOffset = 0n) =>
  cleanOnce({ ...none, batches } as never, { ...ROOM, nowMs, firstDirtyOffset }).batches;

test('a tombstone stays for delete.retention.ms after the pass that first met it as the last', () => {
  const log = [
    buildRecordBatch(at(0), [{ key: key('a'), value: key('1') }]),
    buildRecordBatch(at(1), [{ key: key('a') }]),
    buildRecordBatch(at(2), [{ key: key('b'), value: key('1') }]),
  ];
  const first = clean(log, NOW);
  expect(first.map((batch) => lastOffset(batch))).toEqual([1n, 2n]);
  expect(first.map((batch) => deleteHorizonOf(batch))).toEqual([BigInt(NOW + DAY), undefined]);
  const before = clean(first, NOW + DAY - 1, 3n);
  expect(before).toEqual(first);
  const after = clean(first, NOW + DAY, 3n);
  expect(after.map((batch) => lastOffset(batch))).toEqual([2n]);
});

test('a marker stays until its data is gone and delete.retention.ms is over', () => {
  const producer = { producerId: 5n, producerEpoch: 0, transactional: true };
  const log = [
    buildRecordBatch(at(0, { ...producer, baseSequence: 0 }), [{ key: key('a'), value: key('1') }]),
    markerBatch('commit', { ...at(1), ...producer }),
    buildRecordBatch(at(2), [{ key: key('a'), value: key('2') }]),
  ];
  const first = clean(log, NOW);
  // Met with data: without a horizon. Then idle: with one. Then gone.
  expect(first.map((batch) => deleteHorizonOf(batch))).toEqual([undefined, undefined]);
  const second = clean(first, NOW, 3n);
  expect(second.map((batch) => deleteHorizonOf(batch))).toEqual([BigInt(NOW + DAY), undefined]);
  expect(clean(second, NOW + DAY - 1, 3n).length).toBe(2);
  expect(clean(second, NOW + DAY, 3n).map((batch) => lastOffset(batch))).toEqual([2n]);
});

test('the batch that an active producer wrote last stays, empty', () => {
  const log = new KeyedLog();
  const record = { key: 1, value: 1 };
  log.add({ kind: 'data', producer: 0, codec: 4, records: [record, record] });
  log.add({ kind: 'commit', producer: 0, codec: 0, records: [] });
  log.add({ kind: 'plain', producer: 0, codec: 0, records: [record] });
  const { batches } = cleanOnce(log, { ...ROOM, nowMs: NOW, firstDirtyOffset: 0n });
  const [first] = batches;
  expect(
    first === undefined ? [] : [producerId(first), lastOffset(first), recordCount(first)],
  ).toEqual([0n, 1n, 0]);
  expect(first === undefined ? -1 : baseSequence(first)).toBe(0);
});

test('records without a key go, and an empty batch at the end stays as it is', () => {
  const empty = emptyBatchOf(buildRecordBatch(at(1), [{ key: key('a') }]));
  const log = [buildRecordBatch(at(0), [{ value: key('1') }]), empty];
  expect(clean(log, NOW)).toEqual([empty]);
});

test('what is above the end of a full map stays as it is', () => {
  const log = ['a', 'b', 'c', 'd', 'a'].map((name, offset) =>
    buildRecordBatch(at(offset), [{ key: key(name), value: key('1') }]),
  );
  const pass = cleanOnce({ ...none, batches: log } as never, {
    ...ROOM,
    // For three keys.
    mapBytes: 80,
    nowMs: NOW,
    firstDirtyOffset: 0n,
  });
  expect([pass.endOffset, pass.batches]).toEqual([3n, log]);
});

test('control batches of the log are never looked up by key', () => {
  const log = new KeyedLog();
  log.add({ kind: 'abort', producer: 0, codec: 0, records: [] });
  const { batches } = cleanOnce(log, { ...ROOM, nowMs: NOW, firstDirtyOffset: 0n });
  expect(batches.every((batch) => isControl(batchAttributes(batch)))).toBe(true);
  expect(batches.flatMap(recordsOf).length).toBe(1);
});
