/** What the writer promises beyond the bytes, which Kafka's own classes judge (integration). */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { buildRecordBatch, crc32c } from '../../../../kafka/index.ts';
import type { RecordBatchHeader } from '../../../../kafka/index.ts';
import { SegmentWriter } from '../../../../storage/segment/segment-writer.ts';
import {
  encodeSegmentState,
  initialSegmentState,
  parseSegmentState,
  withoutEpochsBefore,
  withoutIdleProducers,
} from '../../../../storage/segment/segment-state.ts';
import { makeSegments } from './make-segments.ts';
import { markerBatch, randomLogs } from './random-log.ts';

function batch(header: RecordBatchHeader, valueBytes = 0): Buffer {
  const value = Buffer.alloc(valueBytes);
  return buildRecordBatch({ partitionLeaderEpoch: 0, ...header }, [{ value }]);
}

function data(baseOffset: bigint, producerId: bigint, producerEpoch = 0): Buffer {
  return batch({ baseOffset, producerId, producerEpoch, baseSequence: 7, transactional: true });
}

test('an index entry is written once more than the interval lies behind the last', () => {
  const size = batch({}, 100).length;
  const writer = new SegmentWriter(initialSegmentState(0n), { indexIntervalBytes: 2 * size });
  for (let offset = 0n; offset < 7n; offset++) {
    writer.append(batch({ baseOffset: offset, baseTimestamp: 50n - (offset % 2n) }, 100));
  }
  const { files } = writer.finish();
  // Three batches are more than two: entries name the batches at offset 3 and 6.
  const entries = [3, 3 * size, 6, 6 * size];
  expect(files.offsetIndex).toEqual(Buffer.from(new Int32Array(entries).buffer).swap32());
  const time = Buffer.alloc(12);
  time.writeBigInt64BE(50n);
  expect(files.timeIndex).toEqual(time);
});

test('closing adds the largest timestamp; without timestamps there is no entry', () => {
  const writer = new SegmentWriter(initialSegmentState(10n));
  writer.append(batch({ baseOffset: 10n, baseTimestamp: 5n }));
  writer.append(batch({ baseOffset: 11n, baseTimestamp: 9n }));
  writer.append(batch({ baseOffset: 12n, baseTimestamp: 8n }));
  const { files, maxTimestamp } = writer.finish();
  expect(files.timeIndex.toString('hex')).toBe('000000000000000900000001');
  expect(maxTimestamp).toBe(9n);

  const timeless = new SegmentWriter(initialSegmentState(0n));
  timeless.append(batch({ baseTimestamp: -1n }));
  expect(timeless.finish()).toMatchObject({ maxTimestamp: -1n, files: { timeIndex: Buffer.of() } });
});

test('an abort is indexed with the first offset that is still undecided', () => {
  const writer = new SegmentWriter(initialSegmentState(0n));
  writer.append(data(0n, 1n));
  writer.append(data(1n, 2n));
  writer.append(data(2n, 3n));
  writer.append(markerBatch('abort', { baseOffset: 3n, producerId: 2n, producerEpoch: 0 }));
  writer.append(markerBatch('commit', { baseOffset: 4n, producerId: 1n, producerEpoch: 0 }));
  writer.append(markerBatch('abort', { baseOffset: 5n, producerId: 3n, producerEpoch: 1 }, 4));
  // Nothing of this transaction lies here.
  writer.append(markerBatch('abort', { baseOffset: 6n, producerId: 9n, producerEpoch: 0 }));
  const { files, state } = writer.finish();
  const index = files.transactionIndex ?? Buffer.alloc(0);
  const entry = (at: number): bigint[] => [2, 10, 18, 26].map((f) => index.readBigInt64BE(at + f));
  expect(index).toHaveLength(68);
  expect(entry(0)).toEqual([2n, 1n, 3n, 0n]);
  expect(entry(34)).toEqual([3n, 2n, 5n, 6n]);
  const third = state.producers.find(({ producerId }) => producerId === 3n);
  // Its new epoch has written nothing yet.
  expect(third).toMatchObject({ epoch: 1, lastSequence: -1, lastOffset: -1n, coordinatorEpoch: 4 });
});

test('a sequence goes on from 0 after the largest', () => {
  const writer = new SegmentWriter(initialSegmentState(0n));
  const header = { producerId: 1n, producerEpoch: 0, baseSequence: 2 ** 31 - 1 };
  writer.append(buildRecordBatch({ partitionLeaderEpoch: 0, ...header }, [{}, {}, {}]));
  expect(writer.finish().state.producers).toMatchObject([{ lastSequence: 1 }]);
});

test('segments follow each other without gaps, and each is within its size', () => {
  fc.assert(
    fc.property(randomLogs, ({ startOffset, batches }) => {
      const made = makeSegments(startOffset, batches, { segmentBytesMax: 4000 });
      expect(Buffer.concat(made.map(({ log }) => log))).toEqual(Buffer.concat([...batches]));
      let next = startOffset;
      for (const { segment, log, batches: own } of made) {
        expect(segment.baseOffset).toBe(next);
        expect(segment.logBytes).toBe(log.length);
        expect(segment.logCrc32c).toBe(crc32c(log));
        expect(log.length <= 4000 || own.length === 1).toBe(true);
        expect(segment.segmentLeaderEpochs[0]?.startOffset).toBe(next);
        next = segment.endOffset + 1n;
        expect(segment.state.nextOffset).toBe(next);
      }
    }),
  );
});

test('a state is the same after it was stored, and so are the bytes made from it', () => {
  fc.assert(
    fc.property(randomLogs, fc.nat(), ({ startOffset, batches }, cut) => {
      const middle = 1 + (cut % batches.length);
      const before = makeSegments(startOffset, batches.slice(0, middle)).at(-1)?.segment.state;
      const after = batches.slice(middle);
      if (before === undefined || after.length === 0) return;
      const stored = parseSegmentState(encodeSegmentState(before));
      expect(encodeSegmentState(stored)).toEqual(encodeSegmentState(before));
      const finish = (state: typeof before): unknown => {
        const writer = new SegmentWriter(state);
        for (const each of after) writer.append(each);
        return writer.finish().files;
      };
      expect(finish(stored)).toEqual(finish(before));
    }),
  );
});

test('a damaged state is refused', () => {
  const writer = new SegmentWriter(initialSegmentState(0n));
  writer.append(data(0n, 1n));
  const whole = encodeSegmentState(writer.finish().state);
  for (let at = 0; at < whole.length; at++) {
    const damaged = Buffer.from(whole);
    damaged.writeUInt8(whole.readUInt8(at) ^ 0x10, at);
    expect(() => parseSegmentState(damaged)).toThrow(/^A segment state is damaged/);
    expect(() => parseSegmentState(whole.subarray(0, at))).toThrow(/is damaged/);
  }
});

test('idle producers and old epochs are forgotten, open transactions never', () => {
  const writer = new SegmentWriter(initialSegmentState(0n));
  const idle = { producerId: 1n, producerEpoch: 0, baseSequence: 0, baseTimestamp: 100n };
  writer.append(batch({ ...idle, baseOffset: 0n }));
  writer.append(batch({ ...idle, baseOffset: 1n, producerId: 2n, transactional: true }));
  writer.append(batch({ ...idle, baseOffset: 2n, producerId: 3n, baseTimestamp: 101n }));
  writer.append(batch({ baseOffset: 3n, partitionLeaderEpoch: 5 }));
  const { state } = writer.finish();
  const kept = withoutIdleProducers(state, 100).producers.map(({ producerId }) => producerId);
  expect(kept).toEqual([2n, 3n]);
  expect(withoutEpochsBefore(state, 2n).leaderEpochs).toEqual([
    { epoch: 0, startOffset: 2n },
    { epoch: 5, startOffset: 3n },
  ]);
  expect(withoutEpochsBefore(state, 9n).leaderEpochs).toEqual([{ epoch: 5, startOffset: 9n }]);
});

test('batches that cannot come next are refused, and the segment goes on as if they had not', () => {
  const writer = new SegmentWriter(initialSegmentState(100n));
  const first = batch({ baseOffset: 100n, partitionLeaderEpoch: 3 });
  const damaged = Buffer.from(first);
  damaged.writeUInt8(1, damaged.length - 1);
  const open = data(101n, 1n);
  open.writeInt32BE(3, 12);
  const refused: [string, Buffer][] = [
    ['no whole v2 batch', Buffer.alloc(10)],
    ['no whole v2 batch', damaged],
    ['no whole v2 batch', first.subarray(0, -1)],
    ['no whole v2 batch', Buffer.concat([first, first])],
    ['offsets of its batches do not rise', first],
    ['leader epochs do not rise', batch({ baseOffset: 102n, partitionLeaderEpoch: 2 })],
    ['leader epochs do not rise', batch({ baseOffset: 102n, partitionLeaderEpoch: -1 })],
    [
      'a plain batch lies in an open transaction',
      batch({ baseOffset: 102n, producerId: 1n, producerEpoch: 0, partitionLeaderEpoch: 3 }),
    ],
    [
      'no transaction marker',
      batch({ baseOffset: 102n, producerId: 1n, control: true, partitionLeaderEpoch: 3 }),
    ],
  ];
  const tooFar = batch({ baseOffset: 100n + 2n ** 31n, partitionLeaderEpoch: 3 });
  expect(() => writer.append(tooFar)).toThrow(/too far from its base offset/);
  writer.append(first);
  writer.append(open);
  for (const [reason, bytes] of refused) {
    expect(() => writer.append(bytes), reason).toThrow(
      expect.objectContaining({
        code: 'STORAGE_SEGMENT_CORRUPT',
        message: expect.stringContaining(reason) as unknown,
      }),
    );
  }
  // An offset that does not fit is the next segment's.
  expect(writer.append(tooFar)).toBe('full');
  expect(writer.finish()).toMatchObject({ endOffset: 101n, logBytes: first.length + open.length });
});

test('a control batch that compaction has emptied ends nothing, and its producer is known', () => {
  const writer = new SegmentWriter(initialSegmentState(0n));
  writer.append(data(0n, 1n));
  for (const [baseOffset, producerId] of [[1n, 1n] as const, [2n, 2n] as const]) {
    const header = { baseOffset, producerId, producerEpoch: 0, control: true, lastOffsetDelta: 0 };
    writer.append(buildRecordBatch({ ...header, partitionLeaderEpoch: 0 }, []));
  }
  expect(writer.finish().state.producers).toMatchObject([
    { producerId: 1n, transactionFirstOffset: 0n },
    { producerId: 2n, epoch: -1, lastOffset: -1n, transactionFirstOffset: undefined },
  ]);
});
