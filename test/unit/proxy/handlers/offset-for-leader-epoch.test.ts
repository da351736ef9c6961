import { expect, test } from 'vitest';
import {
  buildRecordBatch,
  OffsetForLeaderEpochRequest,
  OffsetForLeaderEpochResponse,
} from '../../../../kafka/index.ts';
import { offsetForLeaderEpochHandler } from '../../../../proxy/handlers/offset-for-leader-epoch.ts';
import { StoredOffsets } from '../../../../proxy/read/stored-offsets.ts';
import { FakeCatalog, idOf, topicOf } from '../../../support/fake-catalog.ts';
import {
  brokerFrame,
  bytesOf,
  clientRequest,
  connectionTo,
  decoded,
} from '../../../support/handler-calls.ts';
import { emptyView, putSegments } from '../../../support/stored-log-objects.ts';
import { DOWN } from '../wal/faulty-object-store.ts';
import { ReadHarness } from '../read/read-harness.ts';

const VERSION = 4;
const NAME = { topic: 'orders', topicId: idOf('orders'), partition: 0 };
const NODE = connectionTo({ kind: 'diskless', brokerId: 1 });

/** Epochs 1, 3 and 4 begin at 0, 10 and 20; the broker was asked to delete what is below 25. */
async function trimmed() {
  const read = new ReadHarness({ loadBytesMax: 64 * 1024 * 1024 });
  const batches = [1, 1, 3, 3, 4, 4].map((partitionLeaderEpoch, index) =>
    buildRecordBatch(
      { baseOffset: BigInt(5 * index), partitionLeaderEpoch },
      Array.from({ length: 5 }, () => ({})),
    ),
  );
  const segments = await putSegments(read.bucket, NAME, [batches], 0n);
  const offsets = { cursor: 30n, consolidatedTo: 30n, logicalStart: 0n, trimIntent: 25n };
  read.states.set({ ...emptyView(NAME), ...offsets, segments });
  return read;
}

/** The broker names its oldest epoch's start for what it does not know. */
async function ask(read: ReadHarness, leaderEpoch: number, topic = 'orders') {
  const handler = offsetForLeaderEpochHandler({
    catalog: new FakeCatalog([topicOf('orders'), topicOf('classic', { diskless: false })]),
    views: read.stored.views,
    storedOffsets: new StoredOffsets(read.stored.segments),
  });
  const request = clientRequest(OffsetForLeaderEpochRequest, VERSION, {
    replicaId: -1,
    topics: [{ topic, partitions: [{ partition: 0, leaderEpoch }] }],
  });
  const handled = await handler.handle(request, NODE);
  if (handled.kind !== 'forward') throw new TypeError('the broker is asked');
  if (typeof handled.reply !== 'function') return handled.reply;
  const partitions = [{ partition: 0, errorCode: 0, leaderEpoch, endOffset: 25n }];
  const body = { throttleTimeMs: 0, topics: [{ topic, partitions }] };
  const replying = handled.reply(brokerFrame(OffsetForLeaderEpochResponse, VERSION, body));
  await read.clock.advance(1);
  const reply = await replying;
  if (reply === null) throw new TypeError('the client gets an answer');
  const answer = decoded(OffsetForLeaderEpochResponse, VERSION, bytesOf(reply));
  return answer.topics[0]?.partitions[0];
}

test('an epoch that the broker does not know any more ended where segments say', async () => {
  const read = await trimmed();
  expect(await ask(read, 1)).toMatchObject({ errorCode: 0, leaderEpoch: 1, endOffset: 10n });
  expect(await ask(read, 2)).toMatchObject({ leaderEpoch: 1, endOffset: 10n });
  expect(await ask(read, 3)).toMatchObject({ leaderEpoch: 3, endOffset: 20n });
});

test('the end of a later epoch is the broker’s to tell', async () => {
  expect(await ask(await trimmed(), 4)).toMatchObject({ leaderEpoch: 4, endOffset: 25n });
});

test('what segments cannot be asked for is as the broker says', async () => {
  const read = await trimmed();
  read.store.onGet = () => DOWN;
  expect(await ask(read, 1)).toMatchObject({ errorCode: 0, leaderEpoch: 1, endOffset: 25n });
});

test('topics that were never marked are passed on', async () => {
  expect(await ask(await trimmed(), 1, 'classic')).toBe('pass');
});
