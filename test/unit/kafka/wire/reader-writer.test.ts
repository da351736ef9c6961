import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { Reader } from '../../../../kafka/wire/reader.ts';
import { COPY_BELOW_BYTES, Writer } from '../../../../kafka/wire/writer.ts';

function written(write: (writer: Writer) => void): Buffer {
  const writer = new Writer();
  write(writer);
  const bytes = Buffer.concat(writer.chunks());
  expect(writer.byteLength).toBe(bytes.length);
  return bytes;
}

test('numbers are big-endian and read back, at the ends of their ranges too', () => {
  const bytes = written((writer) => {
    writer.int8(-128);
    writer.int16(-32_768);
    writer.uint16(65_535);
    writer.int32(-2_147_483_648);
    writer.uint32(4_294_967_295);
    writer.int64(-(2n ** 63n));
    writer.float64(-0.5);
    writer.bool(true);
  });
  expect(bytes.toString('hex')).toBe(
    '808000ffff80000000ffffffff8000000000000000bfe000000000000001',
  );
  const reader = new Reader(bytes);
  expect(reader.int8()).toBe(-128);
  expect(reader.int16()).toBe(-32_768);
  expect(reader.uint16()).toBe(65_535);
  expect(reader.int32()).toBe(-2_147_483_648);
  expect(reader.uint32()).toBe(4_294_967_295);
  expect(reader.int64()).toBe(-(2n ** 63n));
  expect(reader.float64()).toBe(-0.5);
  expect(reader.bool()).toBe(true);
  expect(reader.remaining).toBe(0);
});

test('unsigned varints of any 32-bit value read back', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 0xffff_ffff }), (value) => {
      const reader = new Reader(written((writer) => writer.uvarint(value)));
      expect(reader.uvarint()).toBe(value);
      expect(reader.remaining).toBe(0);
    }),
  );
});

test.each([
  ['that never end', 'ffffffffff01'],
  ['of 33 bits', 'ffffffff1f'],
  ['that are cut off', 'ff'],
])('varints %s are malformed', (_, hex) => {
  const reader = new Reader(Buffer.from(hex, 'hex'));
  expect(() => reader.uvarint()).toThrow(
    expect.objectContaining({ code: 'KAFKA_FRAME_MALFORMED' }),
  );
});

test('a read beyond the end is malformed and says where', () => {
  const reader = new Reader(Buffer.alloc(5), 2);
  expect(() => reader.int32()).toThrow(
    expect.objectContaining({
      code: 'KAFKA_FRAME_MALFORMED',
      details: { path: '', offset: 2 },
    }),
  );
  expect(() => reader.bytes(-1)).toThrow(
    expect.objectContaining({ code: 'KAFKA_FRAME_MALFORMED' }),
  );
});

test('a string longer than Kafka allows is refused in both directions', () => {
  const reader = new Reader(Buffer.alloc(0x8000));
  expect(() => reader.utf8(0x8000)).toThrow(
    expect.objectContaining({ code: 'KAFKA_FRAME_MALFORMED' }),
  );
  expect(() => new Writer().utf8('a'.repeat(0x8000), () => {})).toThrow(
    expect.objectContaining({ code: 'KAFKA_VALUE_INVALID' }),
  );
});

test('a UUID has Kafka’s own text form', () => {
  const text = '_-9qAAAAAAAAAAAAAAAAAA';
  const bytes = written((writer) => writer.uuid(text));
  expect(bytes).toHaveLength(16);
  expect(new Reader(bytes).uuid()).toBe(text);
  for (const wrong of ['', 'A', 'A'.repeat(21), 'A'.repeat(23), '*'.repeat(22)]) {
    expect(() => new Writer().uuid(wrong), wrong).toThrow(
      expect.objectContaining({ code: 'KAFKA_VALUE_INVALID' }),
    );
  }
});

test('byte fields are views of the frame', () => {
  const frame = Buffer.from('00112233', 'hex');
  const view = new Reader(frame, 1).bytes(2);
  frame[1] = 0xff;
  expect(view.toString('hex')).toBe('ff22');
});

test('large byte fields are written by reference, small ones are copied', () => {
  const large = Buffer.alloc(COPY_BELOW_BYTES, 1);
  const small = Buffer.alloc(COPY_BELOW_BYTES - 1, 2);
  const writer = new Writer();
  writer.int8(0);
  writer.bytes(large);
  writer.bytes(small);
  const chunks = writer.chunks();
  expect(chunks).toHaveLength(3);
  expect(chunks[1]).toBe(large);
  expect(chunks[2]).toEqual(small);
  expect(chunks[2]).not.toBe(small);
});

test('what is written after the chunks were taken comes behind them', () => {
  const writer = new Writer();
  writer.int8(1);
  const early = writer.chunks();
  writer.int8(2);
  expect(Buffer.concat(early).toString('hex')).toBe('01');
  expect(Buffer.concat(writer.chunks()).toString('hex')).toBe('0102');
});

test('values of any size in any order keep their order', () => {
  const parts = fc.array(fc.integer({ min: 0, max: 3 * COPY_BELOW_BYTES }), { maxLength: 40 });
  fc.assert(
    fc.property(parts, (sizes) => {
      const buffers = sizes.map((size, index) => Buffer.alloc(size, index));
      const bytes = written((writer) => {
        for (const buffer of buffers) writer.bytes(buffer);
      });
      expect(bytes.equals(Buffer.concat(buffers))).toBe(true);
    }),
  );
});
