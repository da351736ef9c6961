/** The client's answer to a Produce: the broker's, with what was refused here and our addresses. */
import { kafkaErrorName, type ProduceRequest, type ProduceResponse } from '../../kafka/index.ts';
import { proxyError } from '../errors.ts';
import type { RefusedBatch } from './produce-plan.ts';

type TopicResponse = ProduceResponse['responses'][number];
type PartitionResponse = TopicResponse['partitionResponses'][number];

/** Adds to a response the partitions that the broker was not asked about. */
export function addRefused(response: ProduceResponse, refused: readonly RefusedBatch[]): void {
  for (const { requested, data, refusal } of refused) {
    const { name, topicId } = requested;
    let known = response.responses.find((item) => item.name === name && item.topicId === topicId);
    if (known === undefined) {
      known = { name, topicId, partitionResponses: [] };
      response.responses.push(known);
    }
    known.partitionResponses.push(refusedPartition(data.index, refusal));
  }
}

function refusedPartition(index: number, refusal: RefusedBatch['refusal']): PartitionResponse {
  return {
    index,
    errorCode: refusal.errorCode,
    baseOffset: -1n,
    logAppendTimeMs: -1n,
    logStartOffset: -1n,
    recordErrors: refusal.recordErrors.map(({ batchIndex, message }) => ({
      batchIndex,
      batchIndexErrorMessage: message,
    })),
    errorMessage: refusal.message,
    currentLeader: { leaderId: -1, leaderEpoch: -1 },
  };
}

/** @returns the answer to a request of which nothing was left for the broker */
export function responseOf(refused: readonly RefusedBatch[]): ProduceResponse {
  const response: ProduceResponse = { responses: [], throttleTimeMs: 0, nodeEndpoints: [] };
  addRefused(response, refused);
  return response;
}

/** Takes the refused batches out of the request that the broker gets. */
export function removeRefused(body: ProduceRequest, refused: readonly RefusedBatch[]): void {
  if (refused.length === 0) return;
  const gone = new Set(refused.map(({ data }) => data));
  for (const topic of body.topicData) {
    topic.partitionData = topic.partitionData.filter((data) => !gone.has(data));
  }
  body.topicData = body.topicData.filter((topic) => topic.partitionData.length > 0);
}

/**
 * What a broker does for a client that asked for no answer (acks=0): an error closes the
 * connection.
 * @throws PROXY_UNACKNOWLEDGED_PRODUCE_FAILED
 */
export function assertProduced(response: ProduceResponse): void {
  for (const { name, topicId, partitionResponses } of response.responses) {
    for (const { index, errorCode } of partitionResponses) {
      if (errorCode === 0) continue;
      const error = kafkaErrorName(errorCode);
      const message = `the broker refused a produce with acks=0: ${error}`;
      throw proxyError('PROXY_UNACKNOWLEDGED_PRODUCE_FAILED', message, {
        details: { topic: name === '' ? topicId : name, partition: index },
      });
    }
  }
}
