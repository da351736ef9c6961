import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  BATCH_HEADER_BYTES,
  batchAttributes,
  buildRecordBatch,
  codecOf,
  decompress,
  recordCount,
  records,
} from '../../../../kafka/index.ts';
import { BYTES_MAX, batchHeaders, recordLists } from './arbitraries.ts';

const CORRUPT = expect.objectContaining({ code: 'KAFKA_BATCH_CORRUPT' });

function bodyOf(batch: Buffer): Buffer {
  const body = batch.subarray(BATCH_HEADER_BYTES);
  const result = decompress(codecOf(batchAttributes(batch)), body, BYTES_MAX);
  if (result.kind !== 'body') throw new Error(result.kind);
  return result.body;
}

test('records read as they were written, in every codec', () => {
  fc.assert(
    fc.property(batchHeaders, recordLists, (header, list) => {
      const batch = buildRecordBatch({ ...header, maxTimestamp: 0n }, list);
      expect([...records(bodyOf(batch), recordCount(batch))]).toEqual(list);
    }),
  );
});

test('a batch that was read and written again is the same batch', () => {
  fc.assert(
    fc.property(recordLists, (list) => {
      const batch = buildRecordBatch({ maxTimestamp: 0n }, list);
      const again = buildRecordBatch({ maxTimestamp: 0n }, [
        ...records(bodyOf(batch), list.length),
      ]);
      expect(again).toEqual(batch);
    }),
  );
});

test('a body with more or fewer records than the header says is refused', () => {
  const body = bodyOf(buildRecordBatch({}, [{ key: Buffer.from('a') }, { key: Buffer.from('b') }]));
  expect([...records(body, 2)]).toHaveLength(2);
  expect(() => [...records(body, 1)]).toThrow(CORRUPT);
  expect(() => [...records(body, 3)]).toThrow(CORRUPT);
  expect(() => [...records(body, 0)]).toThrow(CORRUPT);
});

test('lengths that do not fit are refused, wherever they stand', () => {
  // Fields: length 8, attributes, timestamp and offset deltas, key, value, header count.
  const bodies = {
    'longer than the batch': [18, 0, 0, 0, 2, 97, 2, 98, 0],
    'a negative length': [1, 0, 0, 0, 2, 97, 2, 98, 0],
    'a key longer than the record': [16, 0, 0, 0, 40, 97, 2, 98, 0],
    'a value longer than the record': [16, 0, 0, 0, 2, 97, 40, 98, 0],
    'more headers than bytes': [16, 0, 0, 0, 2, 97, 2, 98, 40],
    'a negative number of headers': [16, 0, 0, 0, 2, 97, 2, 98, 1],
    'bytes left in the record': [18, 0, 0, 0, 2, 97, 2, 98, 0, 0],
    'a header without a key': [20, 0, 0, 0, 2, 97, 2, 98, 2, 1, 1],
    'a header value longer than the record': [20, 0, 0, 0, 2, 97, 2, 98, 2, 0, 40],
  };
  for (const [what, bytes] of Object.entries(bodies)) {
    expect(() => [...records(Buffer.from(bytes), 1)], what).toThrow(CORRUPT);
  }
});

test('damaged records are refused or read within the bounds, never worse', () => {
  fc.assert(
    fc.property(recordLists, fc.nat(), fc.integer({ min: 1, max: 255 }), (list, where, flip) => {
      const body = Buffer.from(bodyOf(buildRecordBatch({ maxTimestamp: 0n }, list)));
      const at = where % body.length;
      body.writeUInt8(body.readUInt8(at) ^ flip, at);
      try {
        expect([...records(body, list.length)]).toHaveLength(list.length);
      } catch (error) {
        expect(error).toEqual(CORRUPT);
      }
    }),
    { numRuns: 500 },
  );
});
