import { expect, test } from 'vitest';
import { apis } from '../../../../kafka/index.ts';
import { AnswerSize } from '../../../../workers/log/answer-size.ts';

test('topics are asked for so many at once that answers are of one size', () => {
  const sizes: number[] = [];
  const size = new AnswerSize();
  const all = Array.from({ length: 1_000 }, (_, index) => index);
  const asked: number[] = [];
  for (const piece of size.pieces(all)) {
    asked.push(...piece);
    sizes.push(piece.length);
    size.note(answerOf(piece.length, 100));
  }
  expect(asked).toEqual(all);
  expect(Math.max(...sizes) * 100).toBeLessThanOrEqual(4_000);
  expect(sizes.length).toBeLessThan(30);
});

test('topics with more partitions than an answer should have are asked for one by one', () => {
  const size = new AnswerSize();
  size.note(answerOf(1, 10_000));
  expect([...size.pieces(['a', 'b'])]).toEqual([['a'], ['b']]);
  size.note(answerOf(2, 0));
  expect([...size.pieces(['a', 'b'])]).toEqual([['a', 'b']]);
});

function answerOf(topicCount: number, partitionCount: number) {
  const { response } = apis.Metadata;
  const partitions = Array.from({ length: partitionCount }, (_, partitionIndex) => {
    return { errorCode: 0, partitionIndex, leaderId: 1, replicaNodes: [1], isrNodes: [1] };
  });
  const topics = Array.from({ length: topicCount }, (_, index) => {
    return { errorCode: 0, name: `topic-${index}`, partitions };
  });
  const version = response.versions[1];
  return response.decode(Buffer.concat(response.encode({ brokers: [], topics }, version)), version);
}
