import { describe, expect, test } from 'vitest';
import type { PartitionView } from '../../../../coordinator/index.ts';
import {
  buildRecordBatch,
  CODEC,
  KafkaErrorCode,
  ListOffsetsRequest,
  ListOffsetsResponse,
  type CompressionCodec,
} from '../../../../kafka/index.ts';
import type { ClientRequest, Node } from '../../../../proxy/connection/handler.ts';
import { listOffsetsHandler } from '../../../../proxy/handlers/list-offsets.ts';
import { StoredOffsets } from '../../../../proxy/read/stored-offsets.ts';
import type { LogEntry } from '../../../../proxy/read/log-reader.ts';
import { idOf, topicOf } from '../../../support/fake-catalog.ts';
import { emptyView, putSegments } from '../../../support/stored-log-objects.ts';
import {
  brokerFrame,
  bytesOf,
  clientRequest,
  connectionTo,
  decoded,
} from '../../../support/handler-calls.ts';
import { FetchHarness, KEY_RING } from '../fetch/fetch-harness.ts';
import { DOWN } from '../wal/faulty-object-store.ts';

const LEADER: Node = { kind: 'diskless', brokerId: 3 };
const BASE = 1_000_000n;

type Looked = {
  readonly partition: number;
  readonly offset: bigint;
  readonly brokerId: number | null;
};

class OffsetsHarness extends FetchHarness {
  readonly looked: Looked[] = [];
  readonly entries = new Map<number, LogEntry>();
  readonly offsets = listOffsetsHandler({
    catalog: this.catalog,
    keyRing: KEY_RING,
    resolver: this.read.resolver,
    views: this.read.stored.views,
    starts: this.starts,
    storedOffsets: new StoredOffsets(this.read.stored.segments),
    logReader: {
      batchAt: async ({ partition }, offset, brokerId) => {
        this.looked.push({ partition, offset, brokerId });
        return this.entries.get(partition);
      },
    },
  });

  /** Puts a batch with these timestamps at offset 100 of a partition. */
  put(
    partition: number,
    deltas: readonly number[],
    logStartOffset = 0n,
    codec: CompressionCodec = 0,
  ): void {
    const records = deltas.map((timestampDelta) => ({ timestampDelta, value: Buffer.alloc(50) }));
    const real = buildRecordBatch({ baseTimestamp: BASE, codec }, records);
    const [batch = Buffer.alloc(0)] = this.placeholders('orders', partition, real);
    batch.writeBigInt64BE(100n, 0);
    this.entries.set(partition, { batch, logStartOffset });
  }

  /** Asks for partition 0; the broker answers with that offset. */
  async ask(version: number, timestamp: bigint, offset: bigint, node = LEADER, topic = 'orders') {
    const request = requestOf(version, topic, timestamp);
    const handled = await this.offsets.handle(request, connectionTo(node));
    const frame = brokerFrame(ListOffsetsResponse, version, {
      throttleTimeMs: 0,
      topics: [
        {
          name: topic,
          partitions: [
            {
              partitionIndex: 0,
              errorCode: 0,
              oldStyleOffsets: [offset],
              ...(version > 0 ? { offset, timestamp: BASE } : {}),
            },
          ],
        },
      ],
    });
    const body = decoded(ListOffsetsResponse, version, bytesOf(await this.replyOf(handled, frame)));
    return { handled, answered: body.topics[0]?.partitions[0] };
  }
}

function requestOf(version: number, name: string, timestamp: bigint): ClientRequest {
  return clientRequest(ListOffsetsRequest, version, {
    replicaId: -1,
    isolationLevel: 0,
    topics: [{ name, partitions: [{ partitionIndex: 0, timestamp }] }],
    timeoutMs: 1_000,
  });
}

const VERSIONS = Array.from({ length: 11 }, (_, index) => index + 1);

describe.each(VERSIONS)('ListOffsets v%i', (version) => {
  test('a timestamp is looked up within the real batch', async () => {
    const harness = new OffsetsHarness();
    harness.put(0, [0, 10, 20, 30, 40]);
    const { answered } = await harness.ask(version, BASE + 15n, 104n);
    expect(answered).toMatchObject({ errorCode: 0, offset: 102n, timestamp: BASE + 20n });
    expect(harness.looked).toEqual([{ partition: 0, offset: 104n, brokerId: 3 }]);
  });

  test('topics that were never marked are not looked at', async () => {
    const harness = new OffsetsHarness();
    const { handled } = await harness.ask(version, BASE, 7n, LEADER, 'classic');
    expect(handled).toMatchObject({ kind: 'forward', reply: 'pass' });
  });
});

test.each([CODEC.none, CODEC.gzip, CODEC.snappy, CODEC.lz4, CODEC.zstd])(
  'the largest timestamp is that of its first record, codec %i',
  async (codec) => {
    const harness = new OffsetsHarness();
    harness.put(0, [0, 40, 5, 40, 3], 0n, codec);
    const { answered } = await harness.ask(7, -3n, 104n);
    expect(answered).toMatchObject({ offset: 101n, timestamp: BASE + 40n });
  },
);

test('records below the log start do not count', async () => {
  const harness = new OffsetsHarness();
  harness.put(0, [0, 10, 20, 30, 40], 103n);
  const { answered } = await harness.ask(7, BASE + 5n, 104n);
  expect(answered).toMatchObject({ offset: 103n, timestamp: BASE + 30n });
});

test.each([-1n, -4n, -5n, -6n])('the offset %i is the broker’s own', async (timestamp) => {
  const { handled } = await new OffsetsHarness().ask(11, timestamp, 7n);
  expect(handled).toMatchObject({ kind: 'forward', reply: 'pass' });
});

test('version 0 tells of segments and stays as it is', async () => {
  const harness = new OffsetsHarness();
  const { answered } = await harness.ask(0, BASE, 7n);
  expect(answered).toMatchObject({ oldStyleOffsets: [7n] });
  expect(harness.looked).toEqual([]);
});

test('a timestamp that the broker does not find stays not found', async () => {
  const harness = new OffsetsHarness();
  const { answered } = await harness.ask(7, BASE, -1n);
  expect(answered).toMatchObject({ errorCode: 0, offset: -1n });
  expect(harness.looked).toEqual([]);
});

test('a real batch, or the end of the log, leaves the answer as it is', async () => {
  const harness = new OffsetsHarness();
  expect((await harness.ask(7, BASE, 104n)).answered).toMatchObject({ offset: 104n });
  const real = buildRecordBatch({ baseTimestamp: BASE }, [{ value: Buffer.alloc(9) }]);
  harness.entries.set(0, { batch: real, logStartOffset: 0n });
  expect((await harness.ask(7, BASE, 104n)).answered).toMatchObject({ offset: 104n });
});

test('a store that does not answer is an error that clients retry', async () => {
  const harness = new OffsetsHarness();
  harness.put(0, [0, 10]);
  harness.read.store.onGet = () => DOWN;
  const { answered } = await harness.ask(7, BASE + 5n, 101n);
  expect(answered).toMatchObject({
    errorCode: KafkaErrorCode.REPLICA_NOT_AVAILABLE,
    offset: -1n,
    timestamp: -1n,
  });
});

test('a placeholder of an unknown key is an error that clients retry', async () => {
  const harness = new OffsetsHarness();
  harness.put(0, [0, 10]);
  const batch = harness.entries.get(0)?.batch ?? Buffer.alloc(0);
  batch.writeUInt8(9, batch.indexOf('⊘or') + 6);
  expect((await harness.ask(7, BASE + 5n, 101n)).answered).toMatchObject({ errorCode: 9 });
});

test('on a bootstrap connection the leader is not known', async () => {
  const harness = new OffsetsHarness();
  harness.put(0, [0, 10]);
  await harness.ask(7, BASE + 5n, 101n, { kind: 'bootstrap' });
  expect(harness.looked).toMatchObject([{ brokerId: null }]);
});

test('many partitions are looked up a few at a time', async () => {
  const harness = new OffsetsHarness([topicOf('orders')]);
  let running = 0;
  let most = 0;
  const handler = listOffsetsHandler({
    catalog: harness.catalog,
    keyRing: KEY_RING,
    resolver: harness.read.resolver,
    views: harness.read.stored.views,
    starts: harness.starts,
    storedOffsets: new StoredOffsets(harness.read.stored.segments),
    logReader: {
      batchAt: async () => {
        running += 1;
        most = Math.max(most, running);
        await Promise.resolve();
        running -= 1;
        return undefined;
      },
    },
  });
  const partitions = Array.from({ length: 100 }, (_, partitionIndex) => ({ partitionIndex }));
  const request = clientRequest(ListOffsetsRequest, 7, {
    replicaId: -1,
    isolationLevel: 0,
    topics: [
      { name: 'orders', partitions: partitions.map((item) => ({ ...item, timestamp: 5n })) },
    ],
  });
  const handled = await handler.handle(request, connectionTo(LEADER));
  const found = { errorCode: 0, offset: 5n, timestamp: 5n };
  const frame = brokerFrame(ListOffsetsResponse, 7, {
    throttleTimeMs: 0,
    topics: [{ name: 'orders', partitions: partitions.map((item) => ({ ...item, ...found })) }],
  });
  await harness.replyOf(handled, frame);
  expect(most).toBe(16);
});

/** Two segments of five batches each, ten records a batch, a record a millisecond. */
async function trimmed(changes: Partial<PartitionView> = {}): Promise<OffsetsHarness> {
  const harness = new OffsetsHarness();
  const batches = Array.from({ length: 10 }, (_, index) => {
    const records = Array.from({ length: 10 }, (_, delta) => ({ timestampDelta: delta }));
    const [baseOffset, baseTimestamp] = [BigInt(10 * index), BASE + BigInt(10 * index)];
    return buildRecordBatch({ baseOffset, baseTimestamp, partitionLeaderEpoch: 1 }, records);
  });
  const name = { topic: 'orders', topicId: idOf('orders'), partition: 0 };
  const runs = [batches.slice(0, 5), batches.slice(5)];
  const segments = await putSegments(harness.read.bucket, name, runs, 0n);
  harness.read.states.set({
    ...emptyView(name),
    cursor: 100n,
    consolidatedTo: 100n,
    logicalStart: 0n,
    trimIntent: 80n,
    segments,
    ...changes,
  });
  return harness;
}

describe('below the log start of the broker', () => {
  test('the first offset is the logical start', async () => {
    const harness = await trimmed({ logicalStart: 20n });
    const { answered } = await harness.ask(11, -2n, 80n);
    expect(answered).toMatchObject({ errorCode: 0, offset: 20n, leaderEpoch: -1 });
    expect((await harness.ask(11, -2n, 90n)).answered).toMatchObject({ offset: 90n });
  });

  test('timestamps are looked up in segments first', async () => {
    const harness = await trimmed();
    for (const offset of [0n, 7n, 49n, 50n, 79n]) {
      const { answered } = await harness.ask(11, BASE + offset, 80n);
      expect(answered).toMatchObject({ errorCode: 0, offset, timestamp: BASE + offset });
    }
    expect((await harness.ask(11, BASE + 85n, 85n)).answered).toMatchObject({ offset: 85n });
    expect((await harness.ask(11, BASE + 500n, -1n)).answered).toMatchObject({ offset: -1n });
  });

  test('what the broker has below the logical start does not count', async () => {
    const harness = await trimmed({ logicalStart: 90n });
    const { answered } = await harness.ask(11, BASE + 82n, 82n);
    expect(answered).toMatchObject({ offset: 90n, timestamp: BASE + 90n });
  });

  test('the largest timestamp may be in segments only', async () => {
    const harness = await trimmed();
    // All of it was trimmed, or what the broker has is older.
    expect((await harness.ask(11, -3n, -1n)).answered).toMatchObject({ offset: 99n });
    expect((await harness.ask(11, -3n, 120n)).answered).toMatchObject({ offset: 99n });
  });

  test('while nobody says what was trimmed clients try again', async () => {
    const harness = await trimmed();
    harness.read.states.isDown = true;
    const { answered } = await harness.ask(11, -2n, 80n);
    expect(answered).toMatchObject({ errorCode: KafkaErrorCode.REPLICA_NOT_AVAILABLE });
  });
});
