import { crc32c } from '@node-rs/crc32';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { OutriggerError } from '../../../kafka/index.ts';
import {
  buildWalFile,
  parseWalFile,
  readWalFrame,
  walFrameBytes,
  type BuiltWalFile,
  type WalBatch,
  type WalFileInput,
} from '../../../storage/index.ts';

const batch = fc.record({
  topic: fc.oneof(fc.constantFrom('a', 'orders', 'größe'), fc.string({ maxLength: 40 })),
  partition: fc.integer({ min: 0, max: 3 }),
  bytes: fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
});

const input = fc.record({
  clusterId: fc.string({ maxLength: 40 }),
  memberId: fc.integer({ min: 0, max: 2045 }),
  createdMs: fc.integer({ min: 0, max: 2 ** 42 - 1 }),
  batches: fc.array(batch, { minLength: 1, maxLength: 40 }),
});

function example(): { batches: WalBatch[]; built: BuiltWalFile } {
  const batches = [
    { topic: 'orders', partition: 1, bytes: Buffer.from('first') },
    { topic: 'clicks', partition: 0, bytes: Buffer.from('other') },
    { topic: 'orders', partition: 1, bytes: Buffer.from('second') },
  ];
  const built = buildWalFile({ clusterId: 'cluster', memberId: 7, createdMs: 1000, batches });
  return { batches, built };
}

function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    return error instanceof OutriggerError ? error.code : `not ours: ${String(error)}`;
  }
  return 'accepted';
}

function readBack(file: Buffer, { topic, partition, bytes }: WalBatch, position: number): Buffer {
  return readWalFrame(file, position, bytes.length, topic, partition);
}

test('every batch is found at its position in a file, and by a ranged read of one frame', () => {
  fc.assert(
    fc.property(input, (wal: WalFileInput) => {
      const { file, crc32c: checksum, positions } = buildWalFile(wal);
      expect(checksum).toBe(crc32c(file));
      for (const [index, batch] of wal.batches.entries()) {
        const position = positions[index] ?? -1;
        expect(readBack(file, batch, position).equals(batch.bytes)).toBe(true);
        const end = position + walFrameBytes(batch.topic, batch.bytes.length);
        const frame = file.subarray(position, end);
        expect(readBack(frame, batch, 0).equals(batch.bytes)).toBe(true);
      }
    }),
  );
});

test('a file alone tells what is in it: partitions contiguous, their batches in order', () => {
  fc.assert(
    fc.property(input, (wal: WalFileInput) => {
      const { file, positions } = buildWalFile(wal);
      const parsed = parseWalFile(file);
      expect(parsed.clusterId).toBe(wal.clusterId);
      expect(parsed.memberId).toBe(wal.memberId);
      expect(parsed.createdMs).toBe(wal.createdMs);
      let end = 0;
      for (const { topic, partition, frames } of parsed.partitions) {
        const expected = [...wal.batches.entries()]
          .filter(([, batch]) => batch.topic === topic && batch.partition === partition)
          .map(([index, { bytes }]) => ({ position: positions[index], length: bytes.length }));
        expect(frames).toEqual(expected);
        for (const { position, length } of frames) {
          if (end !== 0) expect(position).toBe(end);
          end = position + walFrameBytes(topic, length);
        }
      }
      const names = parsed.partitions.map(({ topic, partition }) => `${partition}/${topic}`);
      expect(new Set(names).size).toBe(names.length);
      const frameCount = parsed.partitions.reduce((sum, { frames }) => sum + frames.length, 0);
      expect(frameCount).toBe(wal.batches.length);
    }),
  );
});

test('a frame is refused under another topic, partition, length or position', () => {
  const { built } = example();
  const position = built.positions[0] ?? -1;
  const read = (at: number, length: number, topic: string, partition: number) => () =>
    readWalFrame(built.file, at, length, topic, partition);
  expect(codeOf(read(position, 5, 'orders', 1))).toBe('accepted');
  for (const wrong of [
    read(position + 1, 5, 'orders', 1),
    read(position, 4, 'orders', 1),
    read(position, 6, 'orders', 1),
    read(position, 5, 'order', 1),
    read(position, 5, 'clicks', 1),
    read(position, 5, 'orders', 0),
    read(-1, 5, 'orders', 1),
    read(1.5, 5, 'orders', 1),
    read(built.file.length, 5, 'orders', 1),
    read(built.file.length + 1, 5, 'orders', 1),
  ]) {
    expect(codeOf(wrong)).toBe('STORAGE_WAL_CORRUPT');
  }
});

test('a file that is cut short anywhere is refused', () => {
  const { built } = example();
  for (let length = 0; length < built.file.length; length++) {
    expect(codeOf(() => parseWalFile(built.file.subarray(0, length)))).toBe('STORAGE_WAL_CORRUPT');
  }
});

test('a file with any one bit changed is refused', () => {
  const { built } = example();
  for (let bit = 0; bit < built.file.length * 8; bit++) {
    const damaged = Buffer.from(built.file);
    const at = bit >> 3;
    damaged.writeUInt8(damaged.readUInt8(at) ^ (1 << (bit & 7)), at);
    expect(codeOf(() => parseWalFile(damaged))).toBe('STORAGE_WAL_CORRUPT');
  }
});

test('bytes that carry a right checksum but make no sense are refused, never read beyond', () => {
  const { built } = example();
  const body = built.file.subarray(0, built.file.length - 16);
  const edits = fc.array(
    fc.record({ at: fc.nat({ max: body.length - 1 }), value: fc.nat({ max: 255 }) }),
    { minLength: 1, maxLength: 6 },
  );
  const footerBytes = fc.option(fc.nat({ max: 0xffffffff }), { nil: undefined });
  fc.assert(
    fc.property(edits, footerBytes, (edits, footer) => {
      const forged = Buffer.from(built.file);
      for (const { at, value } of edits) forged.writeUInt8(value, at);
      forged.writeUInt32BE(crc32c(forged.subarray(0, body.length)), body.length);
      if (footer !== undefined) forged.writeUInt32BE(footer, body.length + 4);
      const code = codeOf(() => parseWalFile(forged));
      expect(['accepted', 'STORAGE_WAL_CORRUPT', 'STORAGE_FORMAT_UNKNOWN']).toContain(code);
    }),
    { numRuns: 2000 },
  );
});

test('random bytes are no WAL file', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
      expect(codeOf(() => parseWalFile(Buffer.from(bytes)))).toBe('STORAGE_WAL_CORRUPT');
    }),
  );
});

test('a newer format version is named as such, not as damage', () => {
  const { built } = example();
  const newer = Buffer.from(built.file);
  newer.writeUInt16BE(2, 8);
  newer.writeUInt32BE(crc32c(newer.subarray(0, newer.length - 16)), newer.length - 16);
  expect(codeOf(() => parseWalFile(newer))).toBe('STORAGE_FORMAT_UNKNOWN');
});
