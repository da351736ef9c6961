import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { Packer, Unpacker } from '../../../coordinator/packing.ts';

const MALFORMED = { code: 'COORDINATOR_RECORD_MALFORMED' };

test('whatever is packed comes back', () => {
  const safe = fc.maxSafeNat();
  fc.assert(
    fc.property(
      fc.nat({ max: 255 }),
      fc.nat({ max: 65_535 }),
      fc.nat({ max: 2 ** 32 - 1 }),
      fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      fc.double({ noNaN: true }),
      fc.array(fc.tuple(safe, fc.constantFrom('', 'orders', 'Aufträge', '注文', '🚀')), {
        maxLength: 40,
      }),
      (u8, u16, u32, u64, f64, pairs) => {
        const packer = new Packer().u8(u8).u16(u16).u32(u32).u64(u64).f64(f64);
        packer.varint(pairs.length);
        for (const [number, text] of pairs) packer.varint(number).text(text);
        const unpacker = new Unpacker(packer.sizedBytes('tail').finish());
        expect(unpacker.u8()).toBe(u8);
        expect(unpacker.u16()).toBe(u16);
        expect(unpacker.u32()).toBe(u32);
        expect(unpacker.u64()).toBe(u64);
        expect(unpacker.f64()).toBe(f64);
        const count = unpacker.count(2);
        const read = Array.from({ length: count }, () => [unpacker.varint(), unpacker.text()]);
        expect(read).toEqual(pairs);
        expect(unpacker.bytes(unpacker.u32()).toString()).toBe('tail');
        expect(unpacker.remainingBytes).toBe(0);
      },
    ),
  );
});

test('a value that is cut short is refused, wherever it is cut', () => {
  const packed = new Packer().u8(1).u32(2).u64(3n).f64(4).varint(500).text('orders').finish();
  for (let length = 0; length < packed.length; length++) {
    const unpacker = new Unpacker(packed.subarray(0, length));
    expect(() => {
      unpacker.u8();
      unpacker.u32();
      unpacker.u64();
      unpacker.f64();
      unpacker.varint();
      unpacker.text();
    }).toThrow(expect.objectContaining(MALFORMED));
  }
});

test('a count that the bytes cannot hold is refused before anything is allocated', () => {
  const packed = new Packer().varint(Number.MAX_SAFE_INTEGER).finish();
  expect(() => new Unpacker(packed).count(1)).toThrow(expect.objectContaining(MALFORMED));
});

test('a varint of more than 53 bits is refused', () => {
  for (const bytes of [Buffer.alloc(9, 0xff), Buffer.from('ffffffffffffff7f', 'hex')]) {
    expect(() => new Unpacker(bytes).varint()).toThrow(expect.objectContaining(MALFORMED));
  }
});

test('a varint must be a safe integer from 0', () => {
  for (const value of [-1, 0.5, 2 ** 53, Number.NaN]) {
    expect(() => new Packer().varint(value)).toThrow('safe integer');
  }
});

test('64-bit varints come back, equal to shorter ones where those do, and small near zero', () => {
  fc.assert(
    fc.property(
      fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
      fc.maxSafeNat(),
      (unsigned, signed, safe) => {
        const packed = new Packer().bigVarint(unsigned).signedVarint(signed).finish();
        const unpacker = new Unpacker(packed);
        expect([unpacker.bigVarint(), unpacker.signedVarint()]).toEqual([unsigned, signed]);
        expect(unpacker.remainingBytes).toBe(0);
        const short = new Packer().varint(safe).finish();
        expect(new Packer().bigVarint(BigInt(safe)).finish()).toEqual(short);
      },
    ),
  );
  for (const value of [-64n, -1n, 0n, 63n]) {
    expect(new Packer().signedVarint(value).finish().length).toBe(1);
  }
});

test('a varint of more than 64 bits is refused', () => {
  for (const bytes of [Buffer.alloc(11, 0xff), Buffer.from('ffffffffffffffffff02', 'hex')]) {
    expect(() => new Unpacker(bytes).bigVarint()).toThrow(expect.objectContaining(MALFORMED));
  }
});
