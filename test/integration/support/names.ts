import { randomBytes } from 'node:crypto';

/**
 * @param what for the reader of a log, as in "orders"
 * @returns a name that no other test and no earlier run has: of a topic, a group or a key prefix
 */
export function uniqueName(what: string): string {
  return `${what}-${randomBytes(6).toString('hex')}`;
}
