import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseChange } from '../../../coordinator/change-record.ts';
import { packFile, parseFileRecord } from '../../../coordinator/file-record.ts';
import type { FileAnnouncement } from '../../../coordinator/index.ts';
import { formatMemberRecord, parseMemberRecord } from '../../../coordinator/member-record.ts';

const size = fc.maxSafeNat();
const announcement: fc.Arbitrary<FileAnnouncement> = fc.record({
  fileId: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  bytes: size,
  memberId: fc.nat({ max: 2045 }),
  rack: fc.string(),
  createdMs: fc.nat({ max: 2 ** 42 - 1 }),
  partitions: fc.uniqueArray(
    fc.record({
      topic: fc.constantFrom('orders', 'clicks', 'payments.eu-1'),
      partition: fc.nat(),
      batchCount: fc.nat(),
      bytes: size,
    }),
    { selector: ({ topic, partition }) => `${topic}/${partition}` },
  ),
});

test('a file record holds every partition by the name of its topic', () => {
  fc.assert(
    fc.property(announcement, (file) => {
      const parsed = parseFileRecord(file.fileId, packFile(file).record);
      // Partitions come back grouped by topic.
      const sorted = [...new Set(file.partitions.map(({ topic }) => topic))].flatMap((topic) =>
        file.partitions.filter((partition) => partition.topic === topic),
      );
      expect(parsed).toEqual({ ...file, partitions: sorted });
    }),
  );
});

test('a file record takes few bytes', () => {
  const partitions = Array.from({ length: 100 }, (_, partition) => ({
    topic: 'a-topic-with-a-name-of-usual-length',
    partition,
    batchCount: 4,
    bytes: 80_000,
  }));
  const file = { fileId: 1n, bytes: 8_000_000, memberId: 3, rack: 'eu-west-1a', createdMs: 1.8e12 };
  expect(packFile({ ...file, partitions }).record.length).toBeLessThan(570);
});

test('damaged or newer file records are refused, never misread', () => {
  fc.assert(
    fc.property(announcement, fc.nat(), (file, at) => {
      const { record } = packFile(file);
      const malformed = expect.objectContaining({ code: 'COORDINATOR_RECORD_MALFORMED' });
      const cut = record.subarray(0, at % record.length);
      expect(() => parseFileRecord(file.fileId, cut)).toThrow(malformed);
      const newer = Buffer.from(record);
      newer[0] = 2;
      expect(() => parseFileRecord(file.fileId, newer)).toThrow(malformed);
    }),
  );
});

const record = {
  memberId: 4,
  rack: 'a',
  host: 'proxy-4',
  bootstrapPort: 9092,
  nodes: [{ brokerId: 1, classicPort: 9100, disklessPort: 9200 }],
  startedAtMs: 1_700_000_000_000,
  version: '0.1.0',
  formatLevel: 1,
};

test('a member record of a newer version is read without what it adds', () => {
  const newer = Buffer.from(JSON.stringify({ ...record, shoeSize: 43 }));
  expect(parseMemberRecord(newer)).toEqual(record);
  expect(parseMemberRecord(formatMemberRecord(record))).toEqual(record);
});

test.each([
  ['no JSON', 'x'],
  ['a member id out of bounds', JSON.stringify({ ...record, memberId: 2046 })],
  ['a port out of bounds', JSON.stringify({ ...record, bootstrapPort: 65_536 })],
  ['a missing field', JSON.stringify({ ...record, rack: undefined })],
])('a member record with %s is refused', (_, json) => {
  expect(() => parseMemberRecord(Buffer.from(json))).toThrow(
    expect.objectContaining({ code: 'COORDINATOR_RECORD_MALFORMED' }),
  );
});

test('a change of a newer version is known as unknown', () => {
  expect(parseChange(Buffer.from([200, 1, 2]))).toEqual({ kind: 'unknown', code: 200 });
});
