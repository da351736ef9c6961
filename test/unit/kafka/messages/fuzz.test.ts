/**
 * Bytes that no peer should send: every one of them gives a value or KAFKA_FRAME_MALFORMED with a
 * path, and never more values than the frame has bytes.
 */

import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isFlexible } from '../../../../kafka/api-keys.ts';
import { messages } from '../../../../kafka/messages/index.ts';
import { hasCode } from '../../../../kafka/outrigger-error.ts';
import type { Message } from '../../../../kafka/wire/message.ts';
import { sampleOf } from './message-samples.ts';

const RUNS_PER_MESSAGE = 150;

/** Lengths, counts and varints that have broken parsers before. */
const NASTY = [
  '7fffffff',
  'ffffffff',
  '80000000',
  'fffffffe',
  'ffffffff0f',
  'ffffffffff7f',
  '8000',
];

interface Mutation {
  readonly at: number;
  readonly with: Buffer;
  /** Whether the bytes there are replaced, or moved back. */
  readonly isInsertion: boolean;
}

const mutations: fc.Arbitrary<Mutation[]> = fc.array(
  fc.record({
    at: fc.nat(),
    with: fc.oneof(
      fc.constantFrom(...NASTY).map((hex) => Buffer.from(hex, 'hex')),
      fc.uint8Array({ minLength: 1, maxLength: 3 }).map((raw) => Buffer.from(raw)),
    ),
    isInsertion: fc.boolean(),
  }),
  { minLength: 1, maxLength: 3 },
);

function mutate(bytes: Buffer, list: readonly Mutation[]): Buffer {
  return list.reduce((current, mutation) => {
    const at = mutation.at % (current.length + 1);
    const rest = current.subarray(mutation.isInsertion ? at : at + mutation.with.length);
    return Buffer.concat([current.subarray(0, at), mutation.with, rest]);
  }, bytes);
}

/** Array elements and tagged fields, at any depth. */
function countValues(value: unknown): number {
  if (value === null || typeof value !== 'object' || Buffer.isBuffer(value)) return 0;
  const inner = Object.values(value).reduce<number>((sum, member) => sum + countValues(member), 0);
  return inner + (Array.isArray(value) ? value.length : 0);
}

function expectValueOrTypedError(message: Message, bytes: Buffer, version: number): void {
  try {
    expect(countValues(message.decode(bytes, version))).toBeLessThanOrEqual(bytes.length);
  } catch (error) {
    if (!hasCode(error, 'KAFKA_FRAME_MALFORMED')) throw error;
    expect(error.details['path']).toContain(`${message.name} v${version}`);
  }
}

describe.each([...messages.values()].flatMap(({ request, response }) => [request, response]))(
  '$name',
  (message) => {
    const [first, last] = message.versions;
    const samples = fc.integer({ min: first, max: last }).chain((version) => {
      const sample = sampleOf(message, version, isFlexible(message.apiKey, version));
      return fc.tuple(fc.constant(version), sample);
    });

    test('mutated: a value or a typed error', () => {
      fc.assert(
        fc.property(samples, mutations, ([version, value], list) => {
          const bytes = Buffer.concat(message.encode(value, version));
          expectValueOrTypedError(message, mutate(bytes, list), version);
        }),
        { numRuns: RUNS_PER_MESSAGE },
      );
    });

    test('cut off anywhere: a typed error', () => {
      fc.assert(
        fc.property(samples, fc.nat(), ([version, value], cut) => {
          const bytes = Buffer.concat(message.encode(value, version));
          fc.pre(bytes.length > 0);
          const part = bytes.subarray(0, cut % bytes.length);
          expect(() => message.decode(part, version)).toThrow(
            expect.objectContaining({ code: 'KAFKA_FRAME_MALFORMED' }),
          );
        }),
        { numRuns: RUNS_PER_MESSAGE },
      );
    });

    test('random bytes: a value or a typed error', () => {
      fc.assert(
        fc.property(
          fc.integer({ min: first, max: last }),
          fc.uint8Array({ maxLength: 200 }),
          (version, raw) => expectValueOrTypedError(message, Buffer.from(raw), version),
        ),
        { numRuns: RUNS_PER_MESSAGE },
      );
    });
  },
);
