import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { OffsetMap } from '../../../../workers/compact/offset-map.ts';

const START = 5_000_000_000n;

test('the map answers as a map does, up to three quarters of its slots', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 2 }), { maxLength: 60 }),
      fc.integer({ min: 2, max: 60 }),
      (keys, slots) => {
        const map = new OffsetMap(slots * 20, START);
        const model = new Map<string, bigint>();
        for (const [index, bytes] of keys.entries()) {
          const key = Buffer.from(bytes);
          const name = key.toString('hex');
          const offset = START + BigInt(index);
          const hasRoom = model.has(name) || model.size + 1 <= slots * 0.75;
          expect(map.put(key, offset)).toBe(hasRoom);
          if (hasRoom) model.set(name, offset);
          expect(map.get(key)).toBe(model.get(name) ?? -1n);
        }
        for (const [name, offset] of model) expect(map.get(Buffer.from(name, 'hex'))).toBe(offset);
        expect(map.size).toBe(model.size);
      },
    ),
  );
});

test('an offset that is too far from the start is not put', () => {
  const map = new OffsetMap(400, START);
  const key = Buffer.from('a');
  expect(map.put(key, START + 2n ** 32n - 3n)).toBe(true);
  expect(map.get(key)).toBe(START + 2n ** 32n - 3n);
  expect(map.put(Buffer.from('b'), START + 2n ** 32n - 2n)).toBe(false);
});
