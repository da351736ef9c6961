import { randomBytes } from 'node:crypto';
import { crc32c } from '@node-rs/crc32';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { buildRecordBatch, OutriggerError } from '../../../kafka/index.ts';
import {
  ExtentIndex,
  fitsLog,
  INDEX_ROW_BYTES,
  MergedFileBuilder,
  parseMergedFile,
  readMergedBatch,
  readMergedFooter,
} from '../../../storage/index.ts';
import type {
  BatchOrigin,
  IndexedBatch,
  MergedExtent,
  PlannedExtent,
} from '../../../storage/index.ts';
import { frameMergedFile, hollowMergedFile } from '../../../storage/merged-file.ts';
import { MemoryStore } from './memory-store.ts';

const HEAD = { clusterId: 'cluster', group: 7 };
const TOPIC_ID = 'AAAAAAAAAAAAAAAAAAAAAQ';

/** What one batch of a partition's log is made of, before its offsets are known. */
interface Ingredient {
  readonly gap: number;
  readonly records: number;
  readonly valueBytes: number;
  readonly leaderEpoch: number;
  readonly timestamp: number;
  readonly origin: BatchOrigin;
}

interface ExtentRecipe {
  readonly partition: number;
  readonly startOffset: number;
  readonly tail: number;
  readonly ingredients: readonly Ingredient[];
}

interface MadeExtent {
  readonly plan: PlannedExtent;
  readonly batches: readonly Buffer[];
}

const uint32 = fc.nat({ max: 2 ** 32 - 1 });
const origin: fc.Arbitrary<BatchOrigin> = fc.oneof(
  fc.record({ kind: fc.constant('real' as const), crc: uint32 }),
  fc.record({
    kind: fc.constant('wal' as const),
    fileId: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    position: uint32,
    crc: uint32,
  }),
);
const ingredient: fc.Arbitrary<Ingredient> = fc.record({
  gap: fc.nat({ max: 3 }),
  records: fc.integer({ min: 1, max: 5 }),
  valueBytes: fc.oneof({ weight: 9, arbitrary: fc.nat({ max: 60 }) }, fc.constant(5_000)),
  leaderEpoch: fc.nat({ max: 9 }),
  timestamp: fc.integer({ min: -1, max: 2 ** 42 }),
  origin,
});
const extentRecipe: fc.Arbitrary<ExtentRecipe> = fc.record({
  partition: fc.nat({ max: 5 }),
  startOffset: fc.oneof(fc.nat(), fc.constant(Number.MAX_SAFE_INTEGER)),
  tail: fc.nat({ max: 2 }),
  ingredients: fc.array(ingredient, { minLength: 1, maxLength: 12 }),
});

function makeExtent(recipe: ExtentRecipe): MadeExtent {
  const startOffset = BigInt(recipe.startOffset);
  let next = startOffset;
  const batches: Buffer[] = [];
  const planned = recipe.ingredients.map((made) => {
    const baseOffset = next + BigInt(made.gap);
    const bytes = batchAt(baseOffset, made);
    batches.push(bytes);
    next = baseOffset + BigInt(made.records);
    return { baseOffset, lastOffset: next - 1n, length: bytes.length, origin: made.origin };
  });
  const { partition } = recipe;
  const endOffset = next + BigInt(recipe.tail);
  const where = { topicId: TOPIC_ID, topic: 'orders', partition, startOffset, endOffset };
  return { plan: { ...where, batches: planned }, batches };
}

function batchAt(baseOffset: bigint, made: Ingredient): Buffer {
  const header = {
    baseOffset,
    partitionLeaderEpoch: made.leaderEpoch,
    baseTimestamp: BigInt(made.timestamp),
  };
  const value = Buffer.alloc(made.valueBytes, 'v');
  return buildRecordBatch(
    header,
    Array.from({ length: made.records }, () => ({ value })),
  );
}

function fill(extents: readonly MadeExtent[], memory?: Buffer): MergedFileBuilder {
  const plans = extents.map(({ plan }) => plan);
  const builder = new MergedFileBuilder(HEAD, plans, memory);
  const places = extents.flatMap(({ batches }, extent) =>
    batches.map((bytes, batch) => ({ extent, batch, bytes })),
  );
  // WAL files have batches in another order than partitions have.
  for (const { extent, batch, bytes } of places.toReversed()) {
    builder.place(extent, batch, [bytes.subarray(0, 61), bytes.subarray(61)]);
  }
  return builder;
}

function fileOf(builder: MergedFileBuilder, entry?: Buffer): Buffer {
  const built = builder.finish(entry);
  const file = Buffer.concat(built.body);
  expect(built.crc32c).toBe(crc32c(file));
  expect(built.fileBytes).toBe(file.length);
  return file;
}

function indexOf(file: Buffer, extent: MergedExtent): ExtentIndex {
  const start = extent.position + extent.bytes;
  return new ExtentIndex(file.subarray(start, start + extent.indexBytes), extent);
}

const EXAMPLE = ((): { made: MadeExtent[]; file: Buffer; entry: Buffer } => {
  const plain = { gap: 0, records: 2, valueBytes: 20, leaderEpoch: 3, timestamp: 1_000 };
  const wal = { kind: 'wal', fileId: 77n, position: 900, crc: 5 } as const;
  const real = { kind: 'real', crc: 6 } as const;
  const ingredients = [
    { ...plain, origin: wal },
    { ...plain, gap: 4, origin: real },
    { ...plain, leaderEpoch: 4, timestamp: 10, origin: { ...wal, position: 1_800 } },
  ];
  const made = [0, 1].map((partition) =>
    makeExtent({ partition, startOffset: 100, tail: 2, ingredients }),
  );
  const entry = Buffer.from('an entry');
  return { made, file: fileOf(fill(made), entry), entry };
})();

function codeOf(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    if (error instanceof OutriggerError) return error.code;
    throw error;
  }
  return 'accepted';
}

function firstExtent(): { extent: MergedExtent; index: ExtentIndex } {
  const extent = parseMergedFile(EXAMPLE.file).extents[0];
  if (extent === undefined) throw new Error('the example has extents');
  return { extent, index: indexOf(EXAMPLE.file, extent) };
}

test('a file is in one piece, unless its footer is unusually large', () => {
  for (const [pieces, entryBytes] of [[1, 1_000] as const, [2, 8_192] as const]) {
    const { body } = fill([]).finish(randomBytes(entryBytes));
    expect(body).toHaveLength(pieces);
    expect(parseMergedFile(Buffer.concat(body)).entry).toHaveLength(entryBytes);
  }
});

test('every batch that was placed is found again by each of its offsets, with its origin', () => {
  fc.assert(
    fc.property(fc.array(extentRecipe, { maxLength: 6 }), (recipes) => {
      const made = recipes.map(makeExtent);
      const file = fileOf(fill(made), Buffer.from('x'));
      const footer = parseMergedFile(file);
      expect(footer).toMatchObject({ ...HEAD, isHollow: false, fileBytes: file.length });
      expect(footer.extents).toHaveLength(made.length);
      for (const [i, extent] of footer.extents.entries()) {
        const { plan, batches } = made[i] ?? { batches: [] };
        expect(extent.endOffset).toBe(plan?.endOffset);
        const index = indexOf(file, extent);
        expect(index.batchCount).toBe(batches.length);
        for (const [row, planned] of (plan?.batches ?? []).entries()) {
          const indexed = index.at(row);
          expect(indexed).toMatchObject(planned);
          expect(fitsLog(indexed, planned)).toBe(true);
          expect(index.find(planned.baseOffset)).toBe(row);
          expect(index.find(planned.lastOffset)).toBe(row);
          expect(readMergedBatch(file, 0, indexed)).toEqual(batches[row]);
        }
        expect(index.find(extent.endOffset)).toBe(index.batchCount);
      }
    }),
    { numRuns: 60 },
  );
});

test('a file is the same in memory that was used before, and in memory that is too small', () => {
  const memory = Buffer.alloc(64 * 1024, 'used');
  fc.assert(
    fc.property(fc.array(extentRecipe, { maxLength: 4 }), (recipes) => {
      const extents = recipes.map(makeExtent);
      const file = fileOf(fill(extents, memory));
      expect(fileOf(fill(extents))).toEqual(file);
      expect(fileOf(fill(extents, memory.subarray(0, 100)))).toEqual(file);
    }),
  );
});

test('the directory says what a merge has to know of its last batch, and what retention asks', () => {
  const [extent] = parseMergedFile(EXAMPLE.file).extents;
  expect(extent).toMatchObject({
    topicId: TOPIC_ID,
    partition: 0,
    startOffset: 100n,
    endOffset: 112n,
    leaderEpoch: 4,
    maxTimestampMs: 1_000n,
    indexBytes: 3 * INDEX_ROW_BYTES,
  });
});

test('an offset that compaction took is found in the batch behind the gap', () => {
  const { index } = firstExtent();
  expect([100n, 101n, 102n, 105n, 106n, 107n, 108n].map((offset) => index.find(offset))).toEqual([
    0, 0, 1, 1, 1, 1, 2,
  ]);
});

test('a batch is read from any part of the file that has it whole', () => {
  const { index } = firstExtent();
  const indexed = index.at(1);
  const read = (start: number, end: number) => () =>
    readMergedBatch(EXAMPLE.file.subarray(start, end), start, indexed);
  const { position, length } = indexed;
  expect(read(position, position + length)()).toEqual(EXAMPLE.made[0]?.batches[1]);
  expect(codeOf(read(position + 1, position + length))).toBe('STORAGE_MERGED_CORRUPT');
  expect(codeOf(read(position, position + length - 1))).toBe('STORAGE_MERGED_CORRUPT');
});

test('an extent of another history does not fit, whatever its offsets', () => {
  const { index } = firstExtent();
  const wal = index.at(0);
  const real = index.at(1);
  expect(fitsLog(wal, { ...wal })).toBe(true);
  const others = (batch: IndexedBatch, origins: readonly BatchOrigin[]) =>
    origins.map((origin) => fitsLog(batch, { ...batch, origin }));
  const pointer = { kind: 'wal', fileId: 77n, position: 900, crc: 5 } as const;
  expect(
    others(wal, [
      { ...pointer, fileId: 78n },
      { ...pointer, position: 901 },
      { ...pointer, crc: 6 },
      { kind: 'real', crc: 5 },
    ]),
  ).toEqual([false, false, false, false]);
  expect(
    others(real, [
      { kind: 'real', crc: 7 },
      { ...pointer, crc: 6 },
    ]),
  ).toEqual([false, false]);
  expect(fitsLog(wal, { ...wal, baseOffset: wal.baseOffset - 1n })).toBe(false);
  expect(fitsLog(wal, { ...wal, lastOffset: wal.lastOffset + 1n })).toBe(false);
});

test('what was not planned is not placed, and a file with a hole is not finished', () => {
  const [made] = EXAMPLE.made;
  if (made === undefined) throw new Error('the example has extents');
  const builder = new MergedFileBuilder(HEAD, [made.plan]);
  const [first = Buffer.alloc(0), second = Buffer.alloc(0)] = made.batches;
  const damaged = Buffer.from(first);
  damaged.writeUInt8(damaged.readUInt8(70) ^ 1, 70);
  expect(() => builder.place(0, 0, [second])).toThrow('base offset');
  expect(() => builder.place(0, 0, [damaged])).toThrow('checksum');
  expect(() => builder.place(0, 0, [first.subarray(1)])).toThrow('planned length');
  expect(() => builder.place(0, 9, [first])).toThrow('no such batch');
  builder.place(0, 0, [first]);
  expect(() => builder.finish()).toThrow('not every planned batch');
});

test('the footer is read alone, of small and of large files, and of hollow ones', async () => {
  const store = new MemoryStore();
  const ingredients = Array.from({ length: 30 }, () => ({
    gap: 0,
    records: 1,
    leaderEpoch: 1,
    timestamp: 5,
    valueBytes: 9_000,
    origin: { kind: 'real', crc: 1 } as const,
  }));
  const large = makeExtent({ partition: 2, startOffset: 0, tail: 0, ingredients });
  const largeFile = fileOf(fill([large]), EXAMPLE.entry);
  expect(await readMergedFooter(store, 'none')).toBeUndefined();
  for (const file of [EXAMPLE.file, largeFile]) {
    await store.put('file', file);
    const footer = await readMergedFooter(store, 'file');
    expect(footer).toEqual(parseMergedFile(file));
    expect(footer?.entry).toEqual(EXAMPLE.entry);
    if (footer === undefined) continue;
    await store.put('file', hollowMergedFile(footer));
    const hollow = await readMergedFooter(store, 'file');
    expect(hollow).toMatchObject({ isHollow: true, entry: footer.entry, extents: footer.extents });
    expect(hollow?.fileBytes).toBeLessThan(1_000);
  }
});

test('a file without an entry has none', () => {
  expect(parseMergedFile(fileOf(fill(EXAMPLE.made))).entry).toBeUndefined();
});

test('a file that is cut short anywhere is refused', () => {
  for (let length = 0; length < EXAMPLE.file.length; length++) {
    const cut = EXAMPLE.file.subarray(0, length);
    expect(codeOf(() => parseMergedFile(cut))).toBe('STORAGE_MERGED_CORRUPT');
  }
});

test('a bit changed in any byte is noticed, by the footer, an index or a batch', () => {
  for (let at = 0; at < EXAMPLE.file.length; at++) {
    const damaged = Buffer.from(EXAMPLE.file);
    damaged.writeUInt8(damaged.readUInt8(at) ^ (1 << (at % 8)), at);
    const code = codeOf(() => readAll(damaged));
    // Base offset and leader epoch of a batch are not under its checksum; the index has the first.
    if (code === 'accepted') expect(isInLeaderEpoch(at)).toBe(true);
    else expect(['STORAGE_MERGED_CORRUPT', 'STORAGE_FORMAT_UNKNOWN']).toContain(code);
  }
});

function readAll(file: Buffer): void {
  for (const extent of parseMergedFile(file).extents) {
    const index = indexOf(file, extent);
    for (let row = 0; row < index.batchCount; row++) readMergedBatch(file, 0, index.at(row));
  }
}

function isInLeaderEpoch(position: number): boolean {
  return parseMergedFile(EXAMPLE.file).extents.some((extent) => {
    const index = indexOf(EXAMPLE.file, extent);
    return Array.from({ length: index.batchCount }, (_, row) => index.at(row).position).some(
      (start) => position >= start + 12 && position < start + 16,
    );
  });
}

test('bytes under right checksums that make no sense are refused, never read beyond', () => {
  const extents = parseMergedFile(EXAMPLE.file).extents;
  const field = fc.constantFrom('position', 'bytes', 'indexBytes', 'indexCrc');
  const value = fc.oneof(uint32, fc.nat({ max: EXAMPLE.file.length }));
  const edits = fc.array(fc.tuple(field, value), { minLength: 1, maxLength: 3 });
  fc.assert(
    fc.property(edits, (edits) => {
      const forged = extents.map((extent) => ({ ...extent, ...Object.fromEntries(edits) }));
      const footerPosition = EXAMPLE.file.length - 600;
      const frame = frameMergedFile(HEAD, footerPosition, forged);
      const data = EXAMPLE.file.subarray(frame.header.length, footerPosition);
      const file = Buffer.concat([frame.header, data, frame.footer]);
      expect(['accepted', 'STORAGE_MERGED_CORRUPT']).toContain(codeOf(() => readAll(file)));
    }),
    { numRuns: 500 },
  );
});

test('rows under a right checksum that make no sense are refused', () => {
  const { extent } = firstExtent();
  const start = extent.position + extent.bytes;
  const rows = EXAMPLE.file.subarray(start, start + extent.indexBytes);
  const edits = fc.array(fc.tuple(fc.nat({ max: rows.length - 1 }), fc.nat({ max: 255 })), {
    minLength: 1,
    maxLength: 4,
  });
  fc.assert(
    fc.property(edits, (edits) => {
      const forged = Buffer.from(rows);
      for (const [at, value] of edits) forged.writeUInt8(value, at);
      const read = (): void => {
        const index = new ExtentIndex(forged, { ...extent, indexCrc: crc32c(forged) });
        for (let row = 0; row < index.batchCount; row++) {
          readMergedBatch(EXAMPLE.file, 0, index.at(row));
        }
      };
      expect(['accepted', 'STORAGE_MERGED_CORRUPT']).toContain(codeOf(read));
    }),
    { numRuns: 500 },
  );
});

test('random bytes are no merged file', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
      expect(codeOf(() => parseMergedFile(Buffer.from(bytes)))).toBe('STORAGE_MERGED_CORRUPT');
    }),
  );
});

test('a newer format version is named as such, not as damage', () => {
  const newer = Buffer.from(EXAMPLE.file);
  newer.writeUInt16BE(2, 8);
  expect(codeOf(() => parseMergedFile(newer))).toBe('STORAGE_FORMAT_UNKNOWN');
});
