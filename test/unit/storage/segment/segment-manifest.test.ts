/** The manifest is the plugin's, byte for byte, and whatever else is refused. */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { buildRecordBatch } from '../../../../kafka/index.ts';
import { encodeManifest, parseManifest } from '../../../../storage/segment/segment-manifest.ts';
import { ORIGIN, SEGMENT_ID, makeSegments } from './make-segments.ts';
import { markerBatch, randomLogs } from './random-log.ts';

test('it is written as the plugin writes it', () => {
  const batches = [
    buildRecordBatch(
      {
        baseOffset: 2n ** 60n,
        partitionLeaderEpoch: 2,
        baseTimestamp: 1_764_000_000_123_456_789n,
        producerId: 1n,
        producerEpoch: 0,
        transactional: true,
      },
      [{}],
    ),
    markerBatch('abort', {
      baseOffset: 2n ** 60n + 1n,
      partitionLeaderEpoch: 10,
      producerId: 1n,
      producerEpoch: 0,
    }),
  ];
  const [made] = makeSegments(2n ** 60n, batches);
  const text =
    '{"version":"1","chunkIndex":{"type":"fixed","originalChunkSize":4194304,' +
    '"originalFileSize":146,"transformedChunkSize":4194304,"finalTransformedChunkSize":146},' +
    '"segmentIndexes":{"offset":{"position":0,"size":0},"timestamp":{"position":0,"size":12},' +
    '"producerSnapshot":{"position":12,"size":56},"leaderEpoch":{"position":68,"size":49},' +
    '"transaction":{"position":117,"size":34}},"compression":false,"remoteLogSegmentMetadata":' +
    '{"remoteLogSegmentId":{"topicIdPartition":{"topicId":"lZ6vvmajTWKDBUTV6SQAtQ",' +
    '"topicPartition":{"topic":"orders","partition":3}},"id":"adh9f8BMS4anaUnD8KWfWg"},' +
    '"startOffset":1152921504606846976,"endOffset":1152921504606846977,' +
    '"maxTimestampMs":1764000000123456789,"brokerId":2,"eventTimestampMs":1764000000123,' +
    '"segmentLeaderEpochs":{"2":1152921504606846976,"10":1152921504606846977}}}';
  if (made === undefined) throw new Error('no segment');
  expect(encodeManifest(made.manifest).toString()).toBe(text);
});

test('what was written is read, without a transaction index too', () => {
  fc.assert(
    fc.property(randomLogs, ({ startOffset, batches }) => {
      for (const { manifest, segment } of makeSegments(startOffset, batches)) {
        expect(parseManifest(encodeManifest(manifest))).toEqual(manifest);
        expect(manifest).toMatchObject(SEGMENT_ID);
        const { maxTimestamp } = segment;
        const event = BigInt(ORIGIN.eventTimestampMs);
        expect(manifest.maxTimestampMs).toBe(maxTimestamp < 0n ? event : maxTimestamp);
      }
    }),
  );
});

test('a manifest that is compressed, encrypted, damaged or senseless is refused', () => {
  const [made] = makeSegments(0n, [buildRecordBatch({ partitionLeaderEpoch: 0 }, [{}])]);
  if (made === undefined) throw new Error('no segment');
  const text = encodeManifest(made.manifest).toString();
  const changes: [string, string, string][] = [
    ['"compression":false', '"compression":true', 'compression'],
    ['"compression":false', '"compression":false,"encryption":{"aad":""}', 'encryption'],
    ['"version":"1"', '"version":"2"', 'version'],
    ['"type":"fixed"', '"type":"variable"', 'chunkIndex.type'],
    ['"originalFileSize":68', '"originalFileSize":0', 'make no sense'],
    ['"originalFileSize":68', '"originalFileSize":2147483648', 'chunkIndex.originalFileSize'],
    ['"endOffset":0', '"endOffset":0.5', 'remoteLogSegmentMetadata.endOffset'],
    ['"endOffset":0', '"endOffset":9223372036854775808', 'remoteLogSegmentMetadata.endOffset'],
    ['"startOffset":0', '"startOffset":1', 'make no sense'],
    ['{"0":0}', '{}', 'make no sense'],
    ['{"0":0}', '{"0":0,"1":0}', 'make no sense'],
    ['{"0":0}', '{"0":0,"1":5}', 'make no sense'],
    ['{"version"', '{version', 'it is not JSON'],
  ];
  for (const [from, to, reason] of changes) {
    expect(text).toContain(from);
    expect(() => parseManifest(Buffer.from(text.replace(from, to))), to).toThrow(
      expect.objectContaining({
        code: 'STORAGE_SEGMENT_CORRUPT',
        message: expect.stringContaining(reason) as unknown,
      }),
    );
  }
  for (let end = 0; end < text.length; end++) {
    expect(() => parseManifest(Buffer.from(text.slice(0, end)))).toThrow(/is not JSON/);
  }
});
