/** Reads a whole hash in bounded steps, so that a large one does not hold up Redis' other users. */
import { malformed } from '../packing.ts';
import type { RedisSession } from './session.ts';

const FIELDS_PER_STEP = 500;

/**
 * @returns every field that was there from the beginning to the end; others may be missing or stale
 * @throws `COORDINATOR_…`
 */
export async function readHash(session: RedisSession, key: string): Promise<Map<string, Buffer>> {
  const fields = new Map<string, Buffer>();
  let cursor = '0';
  do {
    const reply = await session.call('HSCAN', [key, cursor, 'COUNT', FIELDS_PER_STEP]);
    if (!Array.isArray(reply) || !Buffer.isBuffer(reply[0]) || !Array.isArray(reply[1])) {
      throw malformed('a reply to HSCAN');
    }
    cursor = reply[0].toString('latin1');
    const pairs: readonly unknown[] = reply[1];
    for (let index = 0; index + 1 < pairs.length; index += 2) {
      const [field, value] = [pairs[index], pairs[index + 1]];
      if (Buffer.isBuffer(field) && Buffer.isBuffer(value)) {
        fields.set(field.toString('utf8'), value);
      }
    }
  } while (cursor !== '0');
  return fields;
}
