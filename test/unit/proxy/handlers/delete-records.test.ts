import { expect, test } from 'vitest';
import type { PartitionView } from '../../../../coordinator/index.ts';
import {
  DeleteRecordsRequest,
  DeleteRecordsResponse,
  KafkaErrorCode,
} from '../../../../kafka/index.ts';
import { deleteRecordsHandler } from '../../../../proxy/handlers/delete-records.ts';
import { LogicalStarts } from '../../../../proxy/read/logical-starts.ts';
import { StartRequests, type StartRequest } from '../../../../storage/index.ts';
import { FakeCatalog, idOf, topicOf } from '../../../support/fake-catalog.ts';
import {
  brokerFrame,
  bytesOf,
  clientRequest,
  connectionTo,
  decoded,
} from '../../../support/handler-calls.ts';
import { emptyView, GROUP } from '../../../support/stored-log-objects.ts';
import { MemoryStore } from '../../storage/memory-store.ts';
import { ReadHarness } from '../read/read-harness.ts';

const VERSION = 2;
const NAME = { topic: 'orders', topicId: idOf('orders'), partition: 0 };
const NODE = connectionTo({ kind: 'diskless', brokerId: 1 });

class Deleting {
  readonly read = new ReadHarness();
  readonly store = new MemoryStore();
  readonly requests = new StartRequests(this.store);
  readonly starts = new LogicalStarts();
  readonly handler = deleteRecordsHandler({
    catalog: new FakeCatalog([topicOf('orders'), topicOf('classic', { diskless: false })]),
    views: this.read.stored.views,
    starts: this.starts,
    requests: this.requests,
  });

  constructor(view?: Partial<PartitionView>) {
    if (view === undefined) return;
    const base = { ...emptyView(NAME), cursor: 200n, consolidatedTo: 150n };
    this.read.states.set({ ...base, logicalStart: 10n, trimIntent: 100n, ...view });
  }

  /** @param lowWatermark what the broker answers */
  async ask(offset: bigint, lowWatermark: bigint, errorCode = 0, topic = 'orders') {
    const request = clientRequest(DeleteRecordsRequest, VERSION, {
      topics: [{ name: topic, partitions: [{ partitionIndex: 0, offset }] }],
      timeoutMs: 1_000,
    });
    const handled = await this.handler.handle(request, NODE);
    if (handled.kind !== 'forward') throw new TypeError('the broker is asked');
    expect(handled.frame).toEqual([request.frame]);
    if (typeof handled.reply !== 'function') return handled.reply;
    const partitions = [{ partitionIndex: 0, lowWatermark, errorCode }];
    const body = { throttleTimeMs: 0, topics: [{ name: topic, partitions }] };
    const reply = await handled.reply(brokerFrame(DeleteRecordsResponse, VERSION, body));
    if (reply === null) throw new TypeError('the client gets an answer');
    const answer = decoded(DeleteRecordsResponse, VERSION, bytesOf(reply));
    return answer.topics[0]?.partitions[0];
  }

  async left(): Promise<StartRequest[]> {
    const all: StartRequest[] = [];
    for await (const request of this.requests.list(GROUP)) all.push(request);
    return all;
  }
}

test('below what was trimmed a deletion is left for the workers, and counts at once', async () => {
  const deleting = new Deleting({});
  expect(await deleting.ask(50n, 100n)).toMatchObject({ errorCode: 0, lowWatermark: 50n });
  expect(await deleting.left()).toEqual([
    { topicId: NAME.topicId, partition: NAME.partition, offset: 50n },
  ]);
  expect(await deleting.ask(40n, 100n)).toMatchObject({ errorCode: 0, lowWatermark: 50n });
  expect(await deleting.left()).toHaveLength(1);
});

test('what is deleted already stays so', async () => {
  const deleting = new Deleting({});
  expect(await deleting.ask(5n, 100n)).toMatchObject({ errorCode: 0, lowWatermark: 10n });
  expect(await deleting.left()).toEqual([]);
});

test('up to a trim that the broker has not carried out a deletion counts all the same', async () => {
  const deleting = new Deleting({});
  expect(await deleting.ask(100n, 100n)).toMatchObject({ errorCode: 0, lowWatermark: 100n });
  expect(await deleting.left()).toMatchObject([{ offset: 100n }]);
});

test('above it the start of the broker tells', async () => {
  const deleting = new Deleting({});
  expect(await deleting.ask(160n, 160n)).toMatchObject({ errorCode: 0, lowWatermark: 160n });
  expect(await deleting.ask(-1n, 200n)).toMatchObject({ errorCode: 0, lowWatermark: 200n });
  expect(await deleting.left()).toEqual([]);
});

test('where a trim may be on its way a deletion is left too', async () => {
  const segment = { id: 'x', baseOffset: 0n, startOffset: 0n, endOffset: 150n, bytes: 1 };
  const segments = [{ ...segment, maxTimestampMs: 0n, createdMs: 0 }];
  const deleting = new Deleting({ segments });
  expect(await deleting.ask(120n, 120n)).toMatchObject({ errorCode: 0, lowWatermark: 120n });
  expect(await deleting.ask(-1n, 140n)).toMatchObject({ errorCode: 0, lowWatermark: 140n });
  expect(await deleting.ask(160n, 160n)).toMatchObject({ errorCode: 0, lowWatermark: 160n });
  expect(await deleting.left()).toMatchObject([{ offset: 120n }, { offset: 140n }]);
});

test('partitions that were never trimmed, and refusals, are the broker’s own', async () => {
  expect(await new Deleting().ask(7n, 7n)).toMatchObject({ lowWatermark: 7n });
  const fresh = new Deleting({ logicalStart: null, trimIntent: null });
  expect(await fresh.ask(7n, 7n)).toMatchObject({ lowWatermark: 7n });
  const refused = await new Deleting({}).ask(50n, -1n, KafkaErrorCode.TOPIC_AUTHORIZATION_FAILED);
  expect(refused).toMatchObject({ errorCode: KafkaErrorCode.TOPIC_AUTHORIZATION_FAILED });
});

test('a deletion that is not durable is not a success', async () => {
  const deleting = new Deleting({});
  deleting.read.states.isDown = true;
  expect(await deleting.ask(50n, 100n)).toMatchObject({
    errorCode: KafkaErrorCode.REQUEST_TIMED_OUT,
    lowWatermark: -1n,
  });
});

test('topics that were never marked are passed on', async () => {
  expect(await new Deleting({}).ask(1n, 1n, 0, 'classic')).toBe('pass');
});
