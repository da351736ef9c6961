import { zstdDecompressSync } from 'node:zlib';
import { assert, asyncProperty, integer, record } from 'fast-check';
import { expect, test } from 'vitest';
import { packText } from '../../../../storage/packed-json.ts';
import { partitionKey } from '../../../../storage/journal/group-state.ts';
import type {
  DeadSegment,
  FileState,
  GroupState,
  PartitionState,
} from '../../../../storage/journal/group-state.ts';
import { decodeSnapshot, encodeSnapshot } from '../../../../storage/journal/snapshot.ts';

const OWNER = { clusterId: 'cluster "A"', group: 3 };
/** Of the checksum and the length. */
const ENVELOPE_BYTES = 8;
/** Several lines' worth. */
const MANY = 350;

test('a snapshot gives back the state, whatever its size', async () => {
  const state = record({
    partitionCount: integer({ min: 0, max: MANY }),
    fileCount: integer({ min: 0, max: MANY }),
    deadCount: integer({ min: 0, max: MANY }),
  });
  await assert(
    asyncProperty(state, async ({ partitionCount, fileCount, deadCount }) => {
      const before = stateOf(partitionCount, fileCount, deadCount);
      const bytes = await encodeSnapshot(OWNER, before);
      expect(await decodeSnapshot(bytes, OWNER, before.number, raise)).toEqual(before);
      expect(await encodeSnapshot(OWNER, before)).toEqual(bytes);
    }),
    { numRuns: 20 },
  );
});

test('a snapshot is one JSON document', async () => {
  const bytes = await encodeSnapshot(OWNER, stateOf(MANY, 1, 0));
  const document: unknown = JSON.parse(
    zstdDecompressSync(bytes.subarray(ENVELOPE_BYTES)).toString(),
  );
  expect(document).toMatchObject({ version: 1, ...OWNER, state: { number: 64, deadSegments: [] } });
});

test('a snapshot of another group, cluster or number is refused', async () => {
  const bytes = await encodeSnapshot(OWNER, stateOf(1, 1, 1));
  await expect(decodeSnapshot(bytes, { ...OWNER, group: 4 }, 64, raise)).rejects.toThrow('name');
  await expect(decodeSnapshot(bytes, { ...OWNER, clusterId: 'B' }, 64, raise)).rejects.toThrow(
    'another Kafka cluster',
  );
  await expect(decodeSnapshot(bytes, OWNER, 65, raise)).rejects.toThrow('name');
});

test('a damaged snapshot is refused wherever it is damaged', async () => {
  const bytes = await encodeSnapshot(OWNER, stateOf(2, 1, 1));
  for (const end of [0, ENVELOPE_BYTES, bytes.length - 1]) {
    await expect(decodeSnapshot(bytes.subarray(0, end), OWNER, 64, raise)).rejects.toThrow();
  }
  const text = zstdDecompressSync(bytes.subarray(ENVELOPE_BYTES)).toString();
  for (const damaged of [
    text.slice(0, text.indexOf('\n') + 10),
    text.replace('"cursor":', '"cursed":'),
    text.replace('"version":1', '"version":"one"'),
  ]) {
    const packed = await packText(Buffer.from(damaged));
    await expect(decodeSnapshot(packed, OWNER, 64, raise)).rejects.toThrow();
  }
});

test('a snapshot of a newer version says that this process is to be upgraded', async () => {
  const bytes = await encodeSnapshot(OWNER, stateOf(0, 0, 0));
  const text = zstdDecompressSync(bytes.subarray(ENVELOPE_BYTES)).toString();
  const newer = await packText(Buffer.from(text.replace('"version":1', '"version":2')));
  await expect(decodeSnapshot(newer, OWNER, 64, raise)).rejects.toThrow(
    expect.objectContaining({ code: 'STORAGE_FORMAT_UNKNOWN' }),
  );
});

function raise(reason: string): never {
  throw new Error(reason);
}

function stateOf(partitionCount: number, fileCount: number, deadCount: number): GroupState {
  const partitions = Array.from({ length: partitionCount }, (_, index) => partitionOf(index));
  const files = Array.from({ length: fileCount }, (_, index): FileState => {
    const death = index % 2 === 0 ? null : ({ sinceMs: 5, by: 're-merge' } as const);
    return { file: index + 1, createdMs: 1_000, bytes: 77, references: index, death };
  });
  const dead = Array.from({ length: deadCount }, (_, index): DeadSegment => {
    const { topicId, topic, partition } = partitionOf(index);
    const death = { sinceMs: 6, by: 'start-moved', isForeign: true } as const;
    return { topicId, topic, partition, segment: segmentOf(1_000 + index), death };
  });
  return {
    number: 64,
    partitions: new Map(partitions.map((each) => [partitionKey(each), each])),
    files: new Map(files.map((each) => [each.file, each])),
    deadSegments: new Map(dead.map((each) => [each.segment.id, each])),
  };
}

function partitionOf(index: number): PartitionState {
  const large = 2n ** 60n + BigInt(index);
  const extent = {
    file: 1,
    startOffset: 0n,
    endOffset: large,
    position: 9,
    bytes: 100,
    indexBytes: 10,
    indexCrc: 0xffff_ffff,
    leaderEpoch: 4,
    maxTimestampMs: -1n,
  };
  return {
    topicId: idOf(index),
    topic: `topic-${index}`,
    partition: index % 7,
    cursor: large,
    asOf: index % 2 === 0 ? null : index,
    leaderEpoch: -1,
    logicalStart: null,
    trimIntent: null,
    consolidatedTo: 0n,
    ...(index % 3 === 0 ? { cleanedTo: 5n } : {}),
    extents: [extent],
    segments: [segmentOf(index)],
    quarantined: index % 5 === 0 ? [{ by: 3, extents: [extent], segments: [] }] : [],
  };
}

function segmentOf(index: number): PartitionState['segments'][number] {
  return {
    id: idOf(10_000 + index),
    baseOffset: 0n,
    startOffset: 1n,
    endOffset: 2n,
    bytes: 3,
    maxTimestampMs: 4n,
    createdMs: 5,
  };
}

function idOf(index: number): string {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt32BE(index);
  return bytes.toString('base64url');
}
