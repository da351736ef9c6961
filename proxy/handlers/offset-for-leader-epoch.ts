/**
 * OffsetForLeaderEpoch (KIP-101, KIP-320): an epoch that ended below what workers trimmed in the
 * broker's log ended where the segments say. The broker names its log start instead, which is
 * above, so an answer of its own makes no client go back, and stays where segments cannot be asked.
 */
import {
  OffsetForLeaderEpochRequest,
  OffsetForLeaderEpochResponse,
  OutriggerError,
} from '../../kafka/index.ts';
import {
  forwardUntouched,
  type ConnectionContext,
  type Reply,
  type RequestHandler,
} from '../connection/handler.ts';
import { changedReply, decodeReply, decodeRequest, headOf } from '../connection/recode.ts';
import type { PartitionViews } from '../read/partition-views.ts';
import type { StoredOffsets } from '../read/stored-offsets.ts';
import type { TopicCatalog } from '../topics/topic-catalog.ts';

export interface OffsetForLeaderEpochDependencies {
  readonly catalog: Pick<TopicCatalog, 'byName'>;
  readonly views: Pick<PartitionViews, 'get'>;
  readonly storedOffsets: Pick<StoredOffsets, 'endOfEpoch'>;
}

type PartitionResponse = OffsetForLeaderEpochResponse['topics'][number]['partitions'][number];

/** @returns the handler of OffsetForLeaderEpoch */
export function offsetForLeaderEpochHandler(
  dependencies: OffsetForLeaderEpochDependencies,
): RequestHandler {
  return {
    handle(request, connection) {
      const { catalog } = dependencies;
      const body = decodeRequest(OffsetForLeaderEpochRequest, request);
      const marked = body.topics.filter(({ topic }) => catalog.byName(topic)?.record != null);
      if (marked.length === 0) return forwardUntouched.handle(request, connection);
      const epochs = new Map(
        marked.flatMap(({ topic, partitions }) =>
          partitions.map(({ partition, leaderEpoch }) => [keyOf(topic, partition), leaderEpoch]),
        ),
      );
      const head = headOf(request);
      const reply = async (frame: Buffer): Promise<Reply> => {
        const answer = decodeReply(OffsetForLeaderEpochResponse, head, frame);
        for (const { topic, partitions } of answer.body.topics) {
          for (const partition of partitions) {
            const epoch = epochs.get(keyOf(topic, partition.partition));
            if (epoch === undefined || partition.errorCode !== 0) continue;
            await correct(dependencies, connection, topic, partition, epoch);
          }
        }
        return changedReply(OffsetForLeaderEpochResponse, head, answer.header, answer.body);
      };
      return { kind: 'forward', frame: [request.frame], reply };
    },
  };
}

async function correct(
  { catalog, views, storedOffsets }: OffsetForLeaderEpochDependencies,
  { log }: ConnectionContext,
  topic: string,
  answer: PartitionResponse,
  epoch: number,
): Promise<void> {
  const topicId = catalog.byName(topic)?.topicId;
  if (topicId === undefined) return;
  try {
    const partition = await views.get({ topicId, partition: answer.partition });
    const trimmed = partition?.view.trimIntent ?? null;
    if (partition === null || trimmed === null) return;
    const end = await storedOffsets.endOfEpoch(partition, epoch);
    if (end !== undefined && end.endOffset < trimmed) Object.assign(answer, end);
  } catch (error) {
    if (!(error instanceof OutriggerError)) throw error;
    log.warn({ err: error }, 'the end of a leader epoch could not be looked up in segments');
  }
}

function keyOf(topic: string, partition: number): string {
  return `${topic}/${partition}`;
}
