/**
 * Frames that real clients and brokers wrote (see `test/oracle/record-fixtures.ts`): each decodes,
 * and encodes again to the same bytes, header included.
 */

import { readFileSync, readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { ApiKey } from '../../../../kafka/api-keys.ts';
import type { ApiKeyName } from '../../../../kafka/api-keys.ts';
import { EndTxnRequest, ProduceRequest, messages } from '../../../../kafka/messages/index.ts';
import {
  parseRequestHeader,
  parseResponseHeader,
  requestHeader,
  responseHeader,
} from '../../../../kafka/wire/frame.ts';

interface Fixture {
  readonly label: string;
  readonly direction: string;
  readonly apiKey: number;
  readonly version: number;
  readonly frame: Buffer;
}

const DIR = new URL('./fixtures/', import.meta.url);

function fixturesOf(client: string): Fixture[] {
  const lines = readFileSync(new URL(`${client}.hex`, DIR), 'utf8')
    .trimEnd()
    .split('\n');
  return lines.map((line, index) => {
    const [direction = '', name = '', version = '', hex = ''] = line.split(' ');
    return {
      label: `${direction} ${name} v${version} (line ${index + 1})`,
      direction,
      // The recorder writes names from the same table.
      apiKey: ApiKey[name as ApiKeyName],
      version: Number(version),
      frame: Buffer.from(hex, 'hex'),
    };
  });
}

function reencoded({ direction, apiKey, version, frame }: Fixture): Buffer {
  const api = messages.get(apiKey);
  if (api === undefined) throw new Error(`no messages for API ${apiKey}`);
  if (direction === 'request') {
    const header = parseRequestHeader(frame);
    expect(header).toMatchObject({ apiKey, apiVersion: version });
    const value = api.request.decode(frame, version, header.bodyOffset);
    return Buffer.concat([...requestHeader(header), ...api.request.encode(value, version)]);
  }
  // A broker answers ApiVersions in version 0 when it lacks the client's.
  const isRefusal = apiKey === ApiKey.ApiVersions && frame.readInt16BE(4) !== 0;
  const answered = isRefusal ? 0 : version;
  const { correlationId, bodyOffset } = parseResponseHeader(frame, apiKey, answered);
  const value = api.response.decode(frame, answered, bodyOffset);
  const header = responseHeader(apiKey, answered, correlationId);
  return Buffer.concat([...header, ...api.response.encode(value, answered)]);
}

const clients = readdirSync(DIR).map((file) => file.replace('.hex', ''));

describe.each(clients)('%s', (client) => {
  test.each(fixturesOf(client))('$label', (fixture) => {
    expect(reencoded(fixture).toString('hex')).toBe(fixture.frame.toString('hex'));
  });
});

test('what a client meant is what we read', () => {
  const fixtures = fixturesOf('kafkajs-2.2.4');
  const frameOf = (kind: string): Buffer => {
    const fixture = fixtures.findLast(({ label }) => label.startsWith(kind));
    if (fixture === undefined) throw new Error(`no fixture of ${kind}`);
    return fixture.frame;
  };
  const produce = frameOf('request Produce v7');
  const produceHeader = parseRequestHeader(produce);
  expect(produceHeader.clientId).toBe('kafkajs');
  expect(ProduceRequest.decode(produce, 7, produceHeader.bodyOffset)).toMatchObject({
    transactionalId: 'tx',
    acks: -1,
    topicData: [{ name: 'kafkajs' }],
  });
  const end = frameOf('request EndTxn v1');
  const endHeader = parseRequestHeader(end);
  expect(EndTxnRequest.decode(end, 1, endHeader.bodyOffset)).toMatchObject({
    transactionalId: 'tx',
    committed: true,
  });
});
