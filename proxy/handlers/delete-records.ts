/**
 * DeleteRecords moves the logical start of a partition (DESIGN §9). The broker decides whether the
 * client may, and deletes what it has. Below what workers trimmed there it has nothing to delete
 * and answers success. So where data is in segments the request is left in the bucket for the
 * workers, durably, before the client hears of it, and counts here at once. Other members follow
 * when the journal has it.
 */
import {
  DeleteRecordsRequest,
  DeleteRecordsResponse,
  KafkaErrorCode,
  OutriggerError,
} from '../../kafka/index.ts';
import type { StartRequests } from '../../storage/index.ts';
import {
  forwardUntouched,
  type ConnectionContext,
  type Reply,
  type RequestHandler,
} from '../connection/handler.ts';
import { changedReply, decodeReply, decodeRequest, headOf } from '../connection/recode.ts';
import type { LogicalStarts } from '../read/logical-starts.ts';
import type { PartitionViews } from '../read/partition-views.ts';
import type { StoredPartition } from '../read/stored-partition.ts';
import type { TopicCatalog } from '../topics/topic-catalog.ts';

export interface DeleteRecordsDependencies {
  readonly catalog: Pick<TopicCatalog, 'byName'>;
  readonly views: Pick<PartitionViews, 'refresh'>;
  readonly starts: LogicalStarts;
  readonly requests: Pick<StartRequests, 'put'>;
}

type PartitionResponse = DeleteRecordsResponse['topics'][number]['partitions'][number];

/** Asks to delete everything that is there. */
const HIGH_WATERMARK = -1n;

/** @returns the handler of DeleteRecords */
export function deleteRecordsHandler(dependencies: DeleteRecordsDependencies): RequestHandler {
  return {
    handle(request, connection) {
      const { catalog } = dependencies;
      const body = decodeRequest(DeleteRecordsRequest, request);
      const marked = body.topics.filter(({ name }) => catalog.byName(name)?.record != null);
      if (marked.length === 0) return forwardUntouched.handle(request, connection);
      const offsets = new Map(
        marked.flatMap(({ name, partitions }) =>
          partitions.map(({ partitionIndex, offset }) => [keyOf(name, partitionIndex), offset]),
        ),
      );
      const head = headOf(request);
      const reply = async (frame: Buffer): Promise<Reply> => {
        const answer = decodeReply(DeleteRecordsResponse, head, frame);
        for (const { name, partitions } of answer.body.topics) {
          for (const partition of partitions) {
            const offset = offsets.get(keyOf(name, partition.partitionIndex));
            if (offset === undefined || partition.errorCode !== KafkaErrorCode.NONE) continue;
            await moveStart(dependencies, connection, name, partition, offset);
          }
        }
        return changedReply(DeleteRecordsResponse, head, answer.header, answer.body);
      };
      return { kind: 'forward', frame: [request.frame], reply };
    },
  };
}

async function moveStart(
  { catalog, views, starts, requests }: DeleteRecordsDependencies,
  { log }: ConnectionContext,
  topic: string,
  answer: PartitionResponse,
  offset: bigint,
): Promise<void> {
  const topicId = catalog.byName(topic)?.topicId;
  if (topicId === undefined) return;
  const id = { topicId, partition: answer.partitionIndex };
  try {
    const known = await views.refresh(id);
    if (known === null) return;
    const deletedTo = offset === HIGH_WATERMARK ? answer.lowWatermark : offset;
    if (mayBeTrimmed(known, deletedTo) && deletedTo > starts.atLeast(known)) {
      await requests.put(known.view.group, { ...id, offset: deletedTo });
      starts.request(id, deletedTo);
    }
    answer.lowWatermark = starts.of(known, answer.lowWatermark);
  } catch (error) {
    if (!(error instanceof OutriggerError)) throw error;
    log.warn({ err: error }, 'records could not be deleted below the log start of the broker');
    answer.errorCode = KafkaErrorCode.REQUEST_TIMED_OUT;
    answer.lowWatermark = -1n;
  }
}

/**
 * Where nothing is in segments nothing is trimmed, and the broker's own start says what a user has
 * deleted. Below, a trim that is just being made could be taken for the reason of that start.
 */
function mayBeTrimmed({ view }: StoredPartition, offset: bigint): boolean {
  const { trimIntent, consolidatedTo, segments } = view;
  const isTrimmed = trimIntent !== null && offset <= trimIntent;
  return isTrimmed || (segments.length > 0 && offset <= consolidatedTo);
}

function keyOf(topic: string, partition: number): string {
  return `${topic}/${partition}`;
}
