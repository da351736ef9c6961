import { describe, expect, test } from 'vitest';
import { ApiKey } from '../../../../kafka/api-keys.ts';
import { FetchRequest } from '../../../../kafka/messages/fetch.ts';
import { ProduceRequest, ProduceResponse } from '../../../../kafka/messages/produce.ts';
import { ZERO_UUID } from '../../../../kafka/wire/defaults.ts';
import { message } from '../../../../kafka/wire/message.ts';
import {
  array,
  bool,
  bytes,
  int16,
  int32,
  int64,
  nullable,
  since,
  string,
  struct,
  tagged,
  until,
  uuid,
} from '../../../../kafka/wire/schema.ts';
import { TAGGED_FIELDS_MAX } from '../../../../kafka/wire/tag-section.ts';
import { Writer } from '../../../../kafka/wire/writer.ts';

/** Under the key of Metadata, whose versions are flexible from 9 on. */
const Sample = message(
  { apiKey: ApiKey.Metadata, kind: 'request', versions: [0, 10] },
  {
    id: int32(),
    old: until(3, int16(7)),
    name: nullable(string(), 4),
    items: array(struct({ key: string(), on: since(5, bool(true)) })),
    cursor: nullable(struct({ topic: string() })),
    payload: since(2, nullable(bytes())),
    leader: tagged(1, 9, struct({ node: int32(-1), epoch: int64(-1n) })),
    note: tagged(3, 9, nullable(string())),
    limit: tagged(4, 10, int64(0x7fff_ffff_ffff_ffffn)),
  },
);

function hex(chunks: readonly Buffer[]): string {
  return Buffer.concat(chunks).toString('hex');
}

function malformedAt(path: string) {
  return expect.objectContaining({
    code: 'KAFKA_FRAME_MALFORMED',
    details: expect.objectContaining({ path }),
  });
}

function invalidAt(path: string) {
  return expect.objectContaining({
    code: 'KAFKA_VALUE_INVALID',
    details: expect.objectContaining({ path }),
  });
}

describe('versions', () => {
  test('a field that a version lacks is not written and has its default after decoding', () => {
    const value = { id: 1, old: 9, name: 'n', items: [{ key: 'k', on: false }] };
    const decoded = Sample.decode(Buffer.concat(Sample.encode(value, 4)), 4);
    expect(decoded).toEqual({
      id: 1,
      old: 7,
      name: 'n',
      items: [{ key: 'k', on: true }],
      cursor: null,
      payload: null,
      leader: { node: -1, epoch: -1n },
      note: null,
      limit: 0x7fff_ffff_ffff_ffffn,
    });
  });

  test('a version outside the range is refused with its name', () => {
    for (const version of [-1, 11, 1.5]) {
      expect(() => Sample.decode(Buffer.alloc(0), version)).toThrow(
        expect.objectContaining({ code: 'KAFKA_VERSION_UNSUPPORTED' }),
      );
      expect(Sample.supports(version)).toBe(false);
    }
  });

  test('defaults are made anew, so that changing one changes no other', () => {
    const first = Sample.decode(Buffer.concat(Sample.encode({ id: 1, name: '', items: [] }, 0)), 0);
    first.leader.node = 5;
    const second = Sample.decode(
      Buffer.concat(Sample.encode({ id: 1, name: '', items: [] }, 0)),
      0,
    );
    expect(second.leader.node).toBe(-1);
  });
});

describe('null', () => {
  test('is -1 in fixed versions, 0 in compact ones, and a byte before a struct', () => {
    expect(hex(Sample.encode({ id: 1, name: null, items: [] }, 5))).toBe(
      '00000001ffff00000000ffffffffff',
    );
    expect(hex(Sample.encode({ id: 1, items: [], cursor: { topic: 't' } }, 9))).toBe(
      '000000010001010274000000',
    );
  });

  test('is refused where the version has none, in both directions', () => {
    expect(() => Sample.encode({ id: 1, name: null, items: [] }, 3)).toThrow(
      invalidAt('MetadataRequest v3.name'),
    );
    const bytes = Buffer.from('000000010000ffff00000000ffffffffff', 'hex');
    expect(() => Sample.decode(bytes, 3)).toThrow(malformedAt('MetadataRequest v3.name'));
  });
});

describe('tagged fields', () => {
  const plain = { id: 1, name: null, items: [] };
  /** Its bytes in version 9, up to the tagged fields. */
  const PLAIN_V9 = '000000010001ff00';

  test('are written only when they differ from their defaults', () => {
    const same = { ...plain, leader: { node: -1, epoch: -1n }, note: null };
    expect(hex(Sample.encode(same, 9))).toBe(hex(Sample.encode(plain, 9)));
    const decoded = Sample.decode(
      Buffer.concat(Sample.encode({ ...plain, leader: { node: 3 } }, 9)),
      9,
    );
    expect(decoded.leader).toEqual({ node: 3, epoch: -1n });
  });

  test('that nobody knows are kept, and written in order among the known ones', () => {
    const unknownTags = [
      { tag: 0, bytes: Buffer.from('aa', 'hex') },
      { tag: 2, bytes: Buffer.from('bbbb', 'hex') },
      { tag: 900, bytes: Buffer.alloc(0) },
    ];
    const sent = Sample.encode({ ...plain, note: 'x', leader: { node: 3 }, unknownTags }, 9);
    const known = ['010d00000003ffffffffffffffff00', '03020278'];
    const section = `050001aa${known[0]}0202bbbb${known[1]}840700`;
    expect(hex(sent)).toBe(`${PLAIN_V9}${section}`);
    const decoded = Sample.decode(Buffer.concat(sent), 9);
    expect(decoded.unknownTags).toEqual(unknownTags);
    expect(hex(Sample.encode(decoded, 9))).toBe(hex(sent));
  });

  test('that only a later version knows are kept as raw bytes', () => {
    const sent = Buffer.concat(Sample.encode({ ...plain, limit: 5n }, 10));
    const decoded = Sample.decode(sent, 9);
    expect(decoded.limit).toBe(0x7fff_ffff_ffff_ffffn);
    expect(decoded.unknownTags).toEqual([
      { tag: 4, bytes: Buffer.from('0000000000000005', 'hex') },
    ]);
    expect(hex(Sample.encode(decoded, 9))).toBe(sent.toString('hex'));
  });

  test.each([
    ['in falling order', '0207000600', ''],
    ['twice', '0207000700', ''],
    ['longer than the frame', '0107ff0100', ''],
    ['shorter than they say', '010303027800', '.note'],
    ['longer than they say', '0103010278', '.note'],
  ])('%s are malformed', (_, section, path) => {
    const bytes = Buffer.from(`${PLAIN_V9}${section}`, 'hex');
    expect(() => Sample.decode(bytes, 9)).toThrow(malformedAt(`MetadataRequest v9${path}`));
  });

  test('are at most ten thousand in one struct', () => {
    const bomb = (count: number): Buffer => {
      const writer = new Writer();
      writer.bytes(Buffer.from(PLAIN_V9, 'hex'));
      writer.uvarint(count);
      for (let tag = 0; tag < count; tag++) {
        writer.uvarint(1000 + tag);
        writer.uvarint(0);
      }
      return Buffer.concat(writer.chunks());
    };
    expect(Sample.decode(bomb(TAGGED_FIELDS_MAX), 9).unknownTags).toHaveLength(TAGGED_FIELDS_MAX);
    expect(() => Sample.decode(bomb(TAGGED_FIELDS_MAX + 1), 9)).toThrow(
      malformedAt('MetadataRequest v9'),
    );
  });

  test('given twice by the caller are refused', () => {
    const unknownTags = [{ tag: 3, bytes: Buffer.alloc(0) }];
    expect(() => Sample.encode({ ...plain, note: 'x', unknownTags }, 9)).toThrow(
      invalidAt('MetadataRequest v9'),
    );
  });
});

describe('errors', () => {
  test('name the field, through arrays and structs', () => {
    const bytes = Buffer.concat(
      Sample.encode({ id: 1, name: 'n', items: [{ key: 'a' }, { key: 'bcd' }] }, 1),
    );
    expect(() => Sample.decode(bytes.subarray(0, -2), 1)).toThrow(
      malformedAt('MetadataRequest v1.items[1].key'),
    );
    const items = [{ key: 'a' }, { key: 'x'.repeat(0x8000) }];
    expect(() => Sample.encode({ id: 1, name: '', items }, 1)).toThrow(
      invalidAt('MetadataRequest v1.items[1].key'),
    );
  });

  test('tell a number that does not fit its field', () => {
    expect(() => Sample.encode({ id: 2 ** 31, items: [] }, 9)).toThrow(
      invalidAt('MetadataRequest v9.id'),
    );
    for (const epoch of [2n ** 63n, -(2n ** 63n) - 1n]) {
      expect(() => Sample.encode({ id: 1, items: [], leader: { epoch } }, 9)).toThrow(
        invalidAt('MetadataRequest v9.leader.epoch'),
      );
    }
  });

  test('tell bytes behind the end of the message', () => {
    const bytes = Buffer.concat([...Sample.encode({ id: 1, items: [] }, 9), Buffer.alloc(1)]);
    expect(() => Sample.decode(bytes, 9)).toThrow(malformedAt('MetadataRequest v9'));
  });

  test('tell counts that the remaining bytes cannot hold before anything is allocated', () => {
    for (const count of ['7fffffff', '00000010']) {
      const bytes = Buffer.from(`0000000100000000${count}0000`, 'hex');
      expect(() => Sample.decode(bytes, 1)).toThrow(malformedAt('MetadataRequest v1.items'));
    }
    const negative = Buffer.from('0000000100000000fffffffe0000', 'hex');
    expect(() => Sample.decode(negative, 1)).toThrow(malformedAt('MetadataRequest v1.items'));
  });
});

describe('a handler', () => {
  test('changes one field and nothing else', () => {
    const request = {
      maxWaitMs: 500,
      minBytes: 1,
      maxBytes: 10,
      topics: [
        {
          topicId: 'AAAAAAAAAAAAAAAAAAAAAQ',
          partitions: [
            {
              partition: 0,
              fetchOffset: 5n,
              partitionMaxBytes: 1024,
              unknownTags: [{ tag: 77, bytes: Buffer.from('new') }],
            },
          ],
        },
      ],
      forgottenTopicsData: [],
    };
    const before = Buffer.concat(FetchRequest.encode(request, 17));
    const decoded = FetchRequest.decode(before, 17);
    decoded.maxBytes = 11;
    const after = Buffer.concat(FetchRequest.encode(decoded, 17));
    const changed = [...before.keys()].filter((index) => before[index] !== after[index]);
    expect(after).toHaveLength(before.length);
    expect(changed).toEqual([before.indexOf('0000000a', 'hex') + 3]);
  });

  test('gives records as several buffers, which are sent as they are', () => {
    const parts = [Buffer.alloc(2000, 1), Buffer.alloc(3, 2), Buffer.alloc(4000, 3)];
    const partitionData = [{ index: 0, records: parts }];
    const request = { acks: 1, timeoutMs: 1, topicData: [{ name: 't', partitionData }] };
    const chunks = ProduceRequest.encode(request, 9);
    expect(chunks).toContain(parts[0]);
    expect(chunks).toContain(parts[2]);
    const decoded = ProduceRequest.decode(Buffer.concat(chunks), 9);
    expect(decoded.topicData[0]?.partitionData[0]?.records).toEqual(Buffer.concat(parts));
  });

  test('leaves out what has a default', () => {
    const partition = { index: 1, errorCode: 0, baseOffset: 9n };
    const responses = [{ name: 't', partitionResponses: [partition] }];
    const decoded = ProduceResponse.decode(
      Buffer.concat(ProduceResponse.encode({ responses }, 11)),
      11,
    );
    expect(decoded.responses[0]?.topicId).toBe(ZERO_UUID);
    expect(decoded.responses[0]?.partitionResponses[0]).toEqual({
      ...partition,
      logAppendTimeMs: -1n,
      logStartOffset: -1n,
      recordErrors: [],
      errorMessage: null,
      currentLeader: { leaderId: -1, leaderEpoch: -1 },
    });
  });
});

test('a uuid outside its form is refused with the field’s name', () => {
  const Ids = message(
    { apiKey: ApiKey.Metadata, kind: 'request', versions: [0, 0] },
    { id: uuid() },
  );
  expect(() => Ids.encode({ id: 'no' }, 0)).toThrow(invalidAt('MetadataRequest v0.id'));
});
