/**
 * DeleteTopics: the broker deletes, and what was kept of the topic is forgotten. Its bytes in
 * object storage are the workers' to delete, by the rule of DESIGN §9.
 */
import { DeleteTopicsRequest, DeleteTopicsResponse, KafkaErrorCode } from '../../kafka/index.ts';
import type { ClientRequest, RequestHandler } from '../connection/handler.ts';
import { decodeReply, decodeRequest } from '../connection/recode.ts';
import type { TopicAdmin } from '../topics/topic-admin.ts';
import type { TopicCatalog } from '../topics/topic-catalog.ts';

export interface DeleteTopicsDependencies {
  readonly admin: TopicAdmin;
  readonly catalog: Pick<TopicCatalog, 'byName'>;
}

/** From here on the answer names topics by id. */
const VERSION_TOPIC_IDS = 6;

/** @returns the handler of DeleteTopics */
export function deleteTopicsHandler({ admin, catalog }: DeleteTopicsDependencies): RequestHandler {
  return {
    handle(request) {
      const idsByName = knownIds(catalog, request);
      return {
        kind: 'forward',
        frame: [request.frame],
        reply: (frame) => {
          const { body } = decodeReply(DeleteTopicsResponse, request, frame);
          for (const { name, topicId, errorCode } of body.responses) {
            const hasId = request.apiVersion >= VERSION_TOPIC_IDS;
            const deletedId = hasId ? topicId : idsByName.get(name ?? '');
            if (errorCode !== KafkaErrorCode.NONE || deletedId === undefined) continue;
            void admin.forget(deletedId);
          }
          return { chunks: [frame] };
        },
      };
    },
  };
}

/** Older answers have names only, which another topic may have by the time they come. */
function knownIds(
  catalog: Pick<TopicCatalog, 'byName'>,
  request: ClientRequest,
): ReadonlyMap<string, string> {
  const { topicNames } = decodeRequest(DeleteTopicsRequest, request);
  return new Map(
    topicNames.flatMap((name) => {
      const topic = catalog.byName(name);
      return topic === undefined ? [] : [[name, topic.topicId] as const];
    }),
  );
}
