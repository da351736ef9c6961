import { createHmac } from 'node:crypto';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { ShortHmac } from '../../../../kafka/records/short-hmac.ts';

const bytes = (maxLength: number): fc.Arbitrary<Buffer> =>
  fc.uint8Array({ maxLength }).map((array) => Buffer.from(array));

test('the sum is HMAC-SHA256, for keys and messages of any length, one after the other', () => {
  fc.assert(
    fc.property(bytes(100), fc.array(bytes(2_000), { maxLength: 5 }), (key, messages) => {
      const hmac = new ShortHmac(key);
      for (const message of messages) {
        const expected = createHmac('sha256', key).update(message).digest('binary');
        expect(hmac.sum(message)).toBe(expected);
      }
    }),
  );
});
