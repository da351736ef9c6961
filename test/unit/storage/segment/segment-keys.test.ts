/** Names of a segment's objects. */
import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { isKey } from '../../../../storage/object-key.ts';
import {
  KAFKA_UUID,
  TOPIC_BYTES_MAX,
  newSegmentId,
  segmentKeys,
} from '../../../../storage/segment/segment-keys.ts';
import { SEGMENT_ID } from './make-segments.ts';

test('keys are those of the plugin', () => {
  const main = 'orders-lZ6vvmajTWKDBUTV6SQAtQ/3/00000000000000001234-adh9f8BMS4anaUnD8KWfWg';
  expect(segmentKeys('segments/', SEGMENT_ID, 1234n)).toEqual({
    log: `segments/${main}.log`,
    indexes: `segments/${main}.indexes`,
    manifest: `segments/${main}.rsm-manifest`,
  });
});

test('the longest topic that fits has keys, a longer one an error that says why', () => {
  const longest = 'x'.repeat(TOPIC_BYTES_MAX);
  expect(TOPIC_BYTES_MAX).toBe(232);
  expect(isKey(segmentKeys('', { ...SEGMENT_ID, topic: longest }, 2n ** 63n - 1n).log)).toBe(true);
  expect(() => segmentKeys('', { ...SEGMENT_ID, topic: `${longest}x` }, 0n)).toThrow(
    expect.objectContaining({
      code: 'STORAGE_KEY_INVALID',
      message: expect.stringMatching(/has 233 characters.*no more than 232/) as unknown,
    }),
  );
  expect(() => segmentKeys('../', SEGMENT_ID, 0n)).toThrow(/is no object key/);
});

test('ids are version 4 UUIDs that do not begin with a dash', () => {
  for (let round = 0; round < 500; round++) {
    const id = newSegmentId(randomBytes);
    expect(id).toMatch(KAFKA_UUID);
    expect(id).not.toMatch(/^-/);
    expect((Buffer.from(id, 'base64url')[6] ?? 0) >> 4).toBe(4);
  }
  expect(newSegmentId((count) => Buffer.alloc(count, 0xfb))).toMatch(/^A/);
});
