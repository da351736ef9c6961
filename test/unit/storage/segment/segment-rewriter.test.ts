import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { buildRecordBatch, emptyBatchOf, hasCode } from '../../../../kafka/index.ts';
import { SegmentRewriter } from '../../../../storage/index.ts';
import { makeSegments } from './make-segments.ts';
import { randomLogs } from './random-log.ts';

test('of a run that keeps everything the same segment is made as before', () => {
  fc.assert(
    fc.property(randomLogs, ({ startOffset, batches }) => {
      const [made] = makeSegments(startOffset, batches);
      if (made === undefined) throw new Error('no segment');
      const rewriter = new SegmentRewriter(startOffset, made.segment.state);
      const aborted = new Map([...made.indexes.aborted()].map((one) => [one.lastOffset, one]));
      for (const batch of batches) rewriter.append(batch, aborted.get(batch.readBigInt64BE(0)));
      expect(rewriter.finish()).toEqual(made.segment);
    }),
  );
});

test('of several segments, thinned out, producers and epochs are those after the last', () => {
  fc.assert(
    fc.property(randomLogs, fc.array(fc.boolean()), ({ startOffset, batches }, drops) => {
      const made = makeSegments(startOffset, batches, { segmentBytesMax: 2_000 });
      const last = made.at(-1)?.segment;
      if (last === undefined) throw new Error('no segment');
      const rewriter = new SegmentRewriter(startOffset, last.state);
      for (const [index, batch] of batches.entries()) {
        const isLast = index === batches.length - 1;
        if (drops[index] !== true) rewriter.append(batch);
        else if (isLast) rewriter.append(emptyBatchOf(batch));
      }
      const { files, state, ...segment } = rewriter.finish();
      expect(segment).toMatchObject({ baseOffset: startOffset, endOffset: last.endOffset });
      expect(state).toEqual(last.state);
      expect(files.producerSnapshot).toEqual(last.files.producerSnapshot);
      expect(files.leaderEpochs).toEqual(last.files.leaderEpochs);
      expect(segment.segmentLeaderEpochs[0]?.startOffset).toBe(startOffset);
    }),
  );
});

test('batches that do not rise are refused, and so is an end that is not the run’s', () => {
  const batch = (baseOffset: bigint): Buffer =>
    buildRecordBatch({ baseOffset, partitionLeaderEpoch: 0 }, [{}]);
  const [made] = makeSegments(0n, [batch(0n), batch(1n)]);
  if (made === undefined) throw new Error('no segment');
  const rewriter = new SegmentRewriter(0n, made.segment.state);
  rewriter.append(batch(0n));
  const isCorrupt = (error: unknown): boolean => hasCode(error, 'STORAGE_SEGMENT_CORRUPT');
  expect(() => rewriter.append(batch(0n))).toThrow(expect.toSatisfy(isCorrupt));
  expect(() => rewriter.append(batch(2n))).toThrow('not of the run');
  expect(() => rewriter.finish()).toThrow('last batch');
});
