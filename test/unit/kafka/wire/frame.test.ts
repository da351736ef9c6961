import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ApiKey, apiKeyName, isFlexible } from '../../../../kafka/api-keys.ts';
import { ApiVersionsRequest, ApiVersionsResponse } from '../../../../kafka/messages/index.ts';
import { FrameSplitter } from '../../../../kafka/wire/frame-splitter.ts';
import {
  parseRequestHeader,
  parseResponseHeader,
  requestFrame,
  requestHeader,
  requestHeaderVersion,
  responseFrame,
  responseHeader,
  responseHeaderVersion,
  withLength,
} from '../../../../kafka/wire/frame.ts';

describe('headers', () => {
  const apiKeys = [...Object.values(ApiKey), 1234];

  test('of requests read back in every version of every API', () => {
    const heads = fc.record({
      apiKey: fc.constantFrom(...apiKeys),
      apiVersion: fc.integer({ min: 0, max: 20 }),
      correlationId: fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff }),
      clientId: fc.option(fc.string()),
    });
    fc.assert(
      fc.property(heads, (head) => {
        const frame = Buffer.concat(requestHeader(head));
        const clientId = head.apiKey === 7 && head.apiVersion === 0 ? null : head.clientId;
        expect(parseRequestHeader(frame)).toEqual({ ...head, clientId, bodyOffset: frame.length });
      }),
    );
  });

  test('of responses read back in every version of every API', () => {
    for (const apiKey of apiKeys) {
      for (let version = 0; version <= 20; version++) {
        const frame = Buffer.concat(responseHeader(apiKey, version, 77));
        const header = { correlationId: 77, bodyOffset: frame.length };
        expect(parseResponseHeader(frame, apiKey, version)).toEqual(header);
      }
    }
  });

  test('skip tagged fields that a client sends', () => {
    const head = '0001001000000007000161';
    const frame = Buffer.from(`${head}020002aabb0500`, 'hex');
    expect(parseRequestHeader(frame)).toEqual({
      apiKey: ApiKey.Fetch,
      apiVersion: 16,
      correlationId: 7,
      clientId: 'a',
      bodyOffset: frame.length,
    });
  });

  test('of ApiVersions responses never have tags, so that any client can read them', () => {
    expect(responseHeaderVersion(ApiKey.ApiVersions, 4)).toBe(0);
    expect(requestHeaderVersion(ApiKey.ApiVersions, 4)).toBe(2);
  });

  test('of APIs that nobody knows yet are taken for flexible', () => {
    expect(requestHeaderVersion(1234, 0)).toBe(2);
    expect(isFlexible(1234, 0)).toBe(true);
    expect(apiKeyName(1234)).toBeNull();
  });

  test.each([
    ['cut off', '000100'],
    ['with a client id longer than the frame', '0001000400000007000961'],
    ['with a negative length that is not null', '0001000400000007fffe'],
    ['with more tags than are allowed', '00010010000000070000ffff7f'],
    ['with a tag longer than the frame', '00010010000000070000010005aa'],
  ])('%s are malformed', (_, hex) => {
    expect(() => parseRequestHeader(Buffer.from(hex, 'hex'))).toThrow(
      expect.objectContaining({ code: 'KAFKA_FRAME_MALFORMED' }),
    );
  });
});

describe('frames', () => {
  test('carry their length, header and body', () => {
    const head = { apiVersion: 3, correlationId: 5, clientId: 'me' };
    const body = { clientSoftwareName: 'x', clientSoftwareVersion: '1' };
    const request = Buffer.concat(requestFrame(ApiVersionsRequest, head, body));
    expect(request.readInt32BE()).toBe(request.length - 4);
    const frame = request.subarray(4);
    const header = parseRequestHeader(frame);
    expect(header).toMatchObject({ ...head, apiKey: ApiKey.ApiVersions });
    expect(ApiVersionsRequest.decode(frame, 3, header.bodyOffset)).toEqual(body);

    const response = Buffer.concat(
      responseFrame(ApiVersionsResponse, head, { errorCode: 0, apiKeys: [] }),
    );
    expect(response.readInt32BE()).toBe(response.length - 4);
    expect(response.readInt32BE(4)).toBe(5);
  });
});

describe('a stream', () => {
  const frames = fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 12 });
  const cuts = fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 20 });

  test('gives the same frames wherever it is cut', () => {
    fc.assert(
      fc.property(frames, cuts, (bodies, sizes) => {
        const sent = bodies.map((body) => Buffer.from(body));
        const stream = Buffer.concat(sent.flatMap((body) => withLength([body])));
        const splitter = new FrameSplitter(50);
        const received: Buffer[] = [];
        let position = 0;
        for (let index = 0; position < stream.length; index++) {
          const size = sizes[index % sizes.length] ?? 1;
          received.push(...splitter.push(stream.subarray(position, position + size)));
          position += size;
        }
        expect(received).toEqual(sent);
        expect(splitter.isMidFrame).toBe(false);
      }),
    );
  });

  test('is refused at a frame over the limit, before anything of it is kept', () => {
    const splitter = new FrameSplitter(100);
    expect(() => splitter.push(Buffer.from('00000065', 'hex'))).toThrow(
      expect.objectContaining({
        code: 'KAFKA_FRAME_TOO_LARGE',
        details: { length: 101, frameBytesMax: 100 },
      }),
    );
  });

  test('is refused at a negative length', () => {
    expect(() => new FrameSplitter(100).push(Buffer.from('ffffffff', 'hex'))).toThrow(
      expect.objectContaining({ code: 'KAFKA_FRAME_MALFORMED' }),
    );
  });

  test('knows whether it ended within a frame', () => {
    const splitter = new FrameSplitter(100);
    for (const hex of ['0000', '0002', 'aa']) {
      expect(splitter.push(Buffer.from(hex, 'hex'))).toEqual([]);
      expect(splitter.isMidFrame).toBe(true);
    }
    expect(splitter.push(Buffer.from('bb', 'hex'))).toEqual([Buffer.from('aabb', 'hex')]);
    expect(splitter.isMidFrame).toBe(false);
  });
});
