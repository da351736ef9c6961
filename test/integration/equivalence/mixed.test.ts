/** Requests of several topics and partitions at once, of which some are refused. */
import { hash } from 'node:crypto';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { apis, completeBatches, kafkaErrorName } from '../../../kafka/index.ts';
import { logContents } from '../support/log-contents.ts';
import { batchOfValue, damagedBatch, goodBatch } from './batches.ts';
import { connect, createTopic, expectSameOutcome, openWays, type Way, type Ways } from './ways.ts';

const FETCH_BYTES_MAX = 10 * 1024 * 1024;
const UNKNOWN_TOPIC_ID = '3aXX2ETyRGaZ8XSMmN3LSw';
const TOO_LARGE = batchOfValue(5_000);

let ways: Ways;

beforeAll(async () => {
  ways = await openWays(15);
});

afterAll(() => ways.stop());

interface Named {
  readonly name: string;
  readonly topicId: string;
}

const PARTITIONS_TO_PRODUCE = [
  { index: 0, records: goodBatch() },
  { index: 1, records: damagedBatch() },
  { index: 2, records: TOO_LARGE },
  { index: 3, records: goodBatch({ codec: 2 }) },
  { index: 9, records: goodBatch() },
];

/** Three topics: a classic one, one of the way's kind, and one that is not there. */
async function topicsOf(way: Way): Promise<Named[]> {
  const options = { partitions: 4, configs: { 'max.message.bytes': '3000' } };
  const names = [
    await createTopic({ ...way, name: 'classic', isDiskless: false }, 'mixed', options),
    await createTopic(way, 'mixed', options),
  ];
  const connection = await connect(way);
  const { topics } = await connection.request(apis.Metadata, {
    topics: names.map((name) => ({ name })),
  });
  await connection.close();
  const found = names.map((name) => ({
    name,
    topicId: topics.find((topic) => topic.name === name)?.topicId ?? '',
  }));
  return [...found, { name: 'not-there', topicId: UNKNOWN_TOPIC_ID }];
}

test.for([9, 12, 13])('Produce in version %i answers for each partition', async (version) => {
  await expectSameOutcome(ways, async (way) => {
    const topics = await topicsOf(way);
    const whichOf = ({ name, topicId }: Named): number =>
      topics.findIndex((one) => one.name === name || one.topicId === topicId);
    const connection = await connect(way);
    const produced = await connection.request(
      apis.Produce,
      {
        acks: -1,
        timeoutMs: 10_000,
        topicData: topics.map((topic) => ({ ...topic, partitionData: PARTITIONS_TO_PRODUCE })),
      },
      { version },
    );
    const fetched = await connection.request(apis.Fetch, {
      maxWaitMs: 0,
      minBytes: 0,
      maxBytes: FETCH_BYTES_MAX,
      topics: topics.slice(0, 2).map(({ topicId }) => ({
        topicId,
        partitions: [0, 1, 2, 3].map((partition) => {
          return { partition, fetchOffset: 0n, partitionMaxBytes: FETCH_BYTES_MAX };
        }),
      })),
    });
    await connection.close();
    const { placeholders } = await logContents(inject('kafka').bootstrap, topics[1]?.name ?? '');
    expect(placeholders > 0).toBe(way.isDiskless);
    return {
      produced: produced.responses
        .flatMap((topic) =>
          topic.partitionResponses.map(({ index, errorCode, baseOffset }) => {
            return [whichOf(topic), index, kafkaErrorName(errorCode), baseOffset].join(' ');
          }),
        )
        .sort(),
      fetched: fetched.responses
        .flatMap((topic) =>
          topic.partitions.map(({ partitionIndex, records }) => {
            const which = whichOf({ name: topic.topic, topicId: topic.topicId });
            const batches = [...completeBatches(records ?? Buffer.alloc(0))];
            return [which, partitionIndex, ...batches.map((one) => hash('sha256', one))].join(' ');
          }),
        )
        .sort(),
    };
  });
});
