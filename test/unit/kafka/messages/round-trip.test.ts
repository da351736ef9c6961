import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isFlexible } from '../../../../kafka/api-keys.ts';
import { messages } from '../../../../kafka/messages/index.ts';
import { sampleOf } from './message-samples.ts';

const RUNS_PER_VERSION = 30;

describe.each([...messages.values()].flatMap(({ request, response }) => [request, response]))(
  '$name',
  (message) => {
    const [first, last] = message.versions;
    for (let version = first; version <= last; version++) {
      test(`what v${version} encodes it decodes, and encodes again to the same bytes`, () => {
        const sample = sampleOf(message, version, isFlexible(message.apiKey, version));
        fc.assert(
          fc.property(sample, (value) => {
            const bytes = Buffer.concat(message.encode(value, version));
            const decoded = message.decode(bytes, version);
            expect(decoded).toEqual(value);
            expect(Buffer.concat(message.encode(decoded, version))).toEqual(bytes);
          }),
          { numRuns: RUNS_PER_VERSION },
        );
      });
    }
  },
);

test('both messages of an API have the same versions', () => {
  for (const { request, response } of messages.values()) {
    expect(response.apiKey).toBe(request.apiKey);
    expect(response.versions).toEqual(request.versions);
  }
});
