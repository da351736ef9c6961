import { createHmac } from 'node:crypto';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { KeyRing } from '../../../../kafka/index.ts';
import type { Pointer } from '../../../../kafka/index.ts';
import { POINTER_BYTES } from '../../../../kafka/records/pointer.ts';
import { KEY_RING, PARTITION, TOPIC } from './arbitraries.ts';

const UINT32_MAX = 2 ** 32 - 1;
const pointers: fc.Arbitrary<Pointer> = fc.record({
  fileId: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  position: fc.nat({ max: UINT32_MAX }),
  length: fc.nat({ max: UINT32_MAX }),
  attributes: fc.nat({ max: 0xffff }),
  crc: fc.nat({ max: UINT32_MAX }),
});
const POINTER: Pointer = { fileId: 1n, position: 2, length: 3, attributes: 4, crc: 5 };

test('a pointer reads as it was written', () => {
  fc.assert(
    fc.property(pointers, fc.string(), fc.nat(), (pointer, topic, partition) => {
      const bytes = KEY_RING.encodePointer(pointer, topic, partition);
      expect(bytes).toHaveLength(POINTER_BYTES);
      const reading = KEY_RING.decodePointer(bytes, topic, partition);
      expect(reading).toEqual({ kind: 'pointer', pointer });
    }),
  );
});

test('the layout is the published one', () => {
  const pointer = { fileId: 0x0102n, position: 3, length: 4, attributes: 5, crc: 0xdeadbeef };
  const bytes = KEY_RING.encodePointer(pointer, TOPIC, PARTITION);
  const fields = ['e28a986f72', '01', '07', '0000000000000102', '00000003', '00000004', '0005'];
  expect(bytes.subarray(0, 29).toString('hex')).toBe([...fields, 'deadbeef'].join(''));
  const tag = createHmac('sha256', Buffer.alloc(32, 'secret'))
    .update(bytes.subarray(0, 29))
    .update(Buffer.from([0, 0, 0, PARTITION]))
    .update(TOPIC)
    .digest();
  expect(bytes.subarray(29)).toEqual(tag.subarray(0, 8));
});

test('a pointer is not one on another partition or topic', () => {
  const bytes = KEY_RING.encodePointer(POINTER, TOPIC, PARTITION);
  expect(KEY_RING.decodePointer(bytes, TOPIC, PARTITION + 1)).toEqual({ kind: 'none' });
  expect(KEY_RING.decodePointer(bytes, `${TOPIC}2`, PARTITION)).toEqual({ kind: 'none' });
});

test('changing any byte of a pointer makes it none, or of an unknown version or key', () => {
  const bytes = KEY_RING.encodePointer(POINTER, TOPIC, PARTITION);
  for (let at = 0; at < bytes.length; at++) {
    const forged = Buffer.from(bytes);
    forged.writeUInt8(forged.readUInt8(at) ^ 0x01, at);
    const reading = KEY_RING.decodePointer(forged, TOPIC, PARTITION);
    if (at === 5) expect(reading).toEqual({ kind: 'unknown', version: 0 });
    else if (at === 6) expect(reading).toEqual({ kind: 'unknown', keyId: 6 });
    else expect(reading).toEqual({ kind: 'none' });
  }
});

test('keys that are shorter or longer than a pointer are none', () => {
  const bytes = KEY_RING.encodePointer(POINTER, TOPIC, PARTITION);
  for (let length = 0; length < bytes.length; length++) {
    const reading = KEY_RING.decodePointer(bytes.subarray(0, length), TOPIC, PARTITION);
    expect(reading).toEqual({ kind: 'none' });
  }
  const longer = Buffer.concat([bytes, Buffer.alloc(1)]);
  expect(KEY_RING.decodePointer(longer, TOPIC, PARTITION)).toEqual({ kind: 'none' });
});

test('pointers of an older key are known, new ones are signed with the current key', () => {
  const older = { id: 7, secret: Buffer.alloc(32, 'secret') };
  const current = { id: 8, secret: Buffer.alloc(16, 'newer') };
  const ring = new KeyRing(current, [older]);
  const old = KEY_RING.encodePointer(POINTER, TOPIC, PARTITION);
  const fresh = ring.encodePointer(POINTER, TOPIC, PARTITION);
  expect(ring.decodePointer(old, TOPIC, PARTITION).kind).toBe('pointer');
  expect(ring.decodePointer(fresh, TOPIC, PARTITION).kind).toBe('pointer');
  expect(KEY_RING.decodePointer(fresh, TOPIC, PARTITION)).toEqual({ kind: 'unknown', keyId: 8 });
});

test('a key that is too short, or has an impossible id, is refused', () => {
  const secret = Buffer.alloc(32);
  expect(() => new KeyRing({ id: 1, secret: Buffer.alloc(15) })).toThrow(RangeError);
  expect(() => new KeyRing({ id: 256, secret })).toThrow(RangeError);
  expect(() => new KeyRing({ id: 1, secret }, [{ id: -1, secret }])).toThrow(RangeError);
});

test('without the name of the topic a pointer is unknown, and any other key is none', () => {
  const bytes = KEY_RING.encodePointer(POINTER, TOPIC, PARTITION);
  expect(KEY_RING.decodePointer(bytes, null, PARTITION)).toEqual({ kind: 'unknown', keyId: 7 });
  const other = Buffer.from('an ordinary key of some 37 bytes size');
  expect(KEY_RING.decodePointer(other, null, PARTITION)).toEqual({ kind: 'none' });
});
