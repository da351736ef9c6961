import { randomBytes } from 'node:crypto';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import * as fc from 'fast-check';
import { compressFrameSync } from 'lz4-napi';
import { compressSync as snappyCompress } from 'snappy';
import { expect, test } from 'vitest';
import { CODEC, compress, decompress, decompressPrefix } from '../../../../kafka/index.ts';
import { BYTES_MAX, CODECS, codecs } from './arbitraries.ts';

const MIB = 1024 * 1024;
const ROUND_SIZES = [0, 1, 100, 32 * 1024, 32 * 1024 + 1, 300_000];

test('every codec gives back what went in', () => {
  for (const codec of CODECS) {
    for (const size of ROUND_SIZES) {
      const body = Buffer.from(randomBytes(size).toString('hex'));
      expect(decompress(codec, compress(codec, body), BYTES_MAX)).toEqual({ kind: 'body', body });
    }
  }
});

test('a body may be exactly as large as the bound, and not one byte larger', () => {
  const body = Buffer.from(randomBytes(100_000).toString('hex'));
  for (const codec of CODECS) {
    const compressed = compress(codec, body);
    expect(decompress(codec, compressed, body.length).kind).toBe('body');
    expect(decompress(codec, compressed, body.length - 1)).toEqual({ kind: 'too-large' });
  }
});

test('a bomb is refused in every codec', () => {
  const zeros = Buffer.alloc(48 * MIB);
  for (const codec of [CODEC.gzip, CODEC.snappy, CODEC.lz4, CODEC.zstd]) {
    expect(decompress(codec, compress(codec, zeros), MIB)).toEqual({ kind: 'too-large' });
  }
});

test('concatenated zstd frames and gzip members are one body, as for Kafka', () => {
  const parts = [randomBytes(10), Buffer.from('second'), randomBytes(200_000)];
  const body = Buffer.concat(parts);
  const frames = Buffer.concat(parts.map((part) => zstdCompressSync(part)));
  const members = Buffer.concat(parts.map((part) => gzipSync(part)));
  expect(decompress(CODEC.zstd, frames, body.length)).toEqual({ kind: 'body', body });
  expect(decompress(CODEC.zstd, frames, body.length - 1)).toEqual({ kind: 'too-large' });
  expect(decompress(CODEC.gzip, members, BYTES_MAX)).toEqual({ kind: 'body', body });
});

test('a body of very many tiny pieces is refused instead of decoded one by one', () => {
  const frame = zstdCompressSync(Buffer.from('x'));
  const frames = Buffer.concat(Array.from({ length: 1_000 }, () => frame));
  expect(decompress(CODEC.zstd, frames, BYTES_MAX)).toEqual({ kind: 'too-large' });
  const empty = snappyCompress(Buffer.alloc(0));
  const header = compress(CODEC.snappy, Buffer.alloc(0));
  const block = Buffer.concat([Buffer.from([0, 0, 0, empty.length]), empty]);
  const blocks = Buffer.concat([header, ...Array.from({ length: 20_000 }, () => block)]);
  expect(decompress(CODEC.snappy, blocks, BYTES_MAX)).toEqual({ kind: 'too-large' });
});

test('snappy is read with and without the framing of snappy-java', () => {
  const body = Buffer.from('raw snappy, as some clients send it');
  expect(decompress(CODEC.snappy, snappyCompress(body), 100)).toEqual({ kind: 'body', body });
  expect(decompress(CODEC.snappy, snappyCompress(body), 10)).toEqual({ kind: 'too-large' });
});

test('LZ4 block checksums are verified', () => {
  const body = Buffer.from(randomBytes(1_000).toString('hex'));
  const frame = compressFrameSync(body, { blockChecksums: true, contentChecksum: true });
  expect(decompress(CODEC.lz4, frame, BYTES_MAX)).toEqual({ kind: 'body', body });
  const damaged = Buffer.from(frame);
  damaged.writeUInt8(damaged.readUInt8(40) ^ 1, 40);
  expect(decompress(CODEC.lz4, damaged, BYTES_MAX).kind).toBe('corrupt');
});

test('an LZ4 frame header with a wrong checksum is refused', () => {
  const frame = compress(CODEC.lz4, Buffer.from('records'));
  frame.writeUInt8(frame.readUInt8(6) ^ 0xff, 6);
  expect(decompress(CODEC.lz4, frame, BYTES_MAX).kind).toBe('corrupt');
});

test('a codec that is not assigned is refused', () => {
  for (const codec of [5, 6, 7]) {
    expect(decompress(codec, Buffer.from('x'), BYTES_MAX).kind).toBe('corrupt');
    expect(decompressPrefix(codec, Buffer.from('x')).kind).toBe('corrupt');
  }
});

test('a prefix is the beginning of the body, and cheap to get from a bomb', () => {
  const first = randomBytes(200);
  const body = Buffer.concat([first, Buffer.alloc(32 * MIB)]);
  for (const codec of CODECS) {
    const prefix = decompressPrefix(codec, compress(codec, body));
    if (prefix.kind !== 'body') throw new Error(`codec ${codec}: ${prefix.kind}`);
    expect(prefix.body.subarray(0, 200)).toEqual(first);
    if (codec !== CODEC.none) expect(prefix.body.length).toBeLessThanOrEqual(4 * MIB);
  }
});

test('damaged or cut bodies have an outcome, never an error of their own', () => {
  const bodies = fc.uint8Array({ maxLength: 3000 }).map((array) => Buffer.from(array));
  fc.assert(
    fc.property(codecs, bodies, fc.nat(), fc.nat(), (codec, body, where, cut) => {
      const damaged = Buffer.from(compress(codec, body));
      if (damaged.length > 0) damaged.writeUInt8(where % 256, where % damaged.length);
      const end = cut % (damaged.length + 1);
      for (const bytes of [damaged, damaged.subarray(0, end), body]) {
        const kinds = ['body', 'too-large', 'corrupt'];
        expect(kinds).toContain(decompress(codec, bytes, 10_000).kind);
        expect(kinds).toContain(decompressPrefix(codec, bytes).kind);
      }
    }),
    { numRuns: 500 },
  );
});
