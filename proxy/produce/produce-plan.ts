/** What becomes of each batch of one Produce request; the request itself is not changed here. */
import type { ProduceRequest } from '../../kafka/index.ts';
import type { CatalogTopic, TopicConfigs } from '../topics/topic-catalog.ts';
import { admitBatch, inBrokersWords, type Refusal } from './admit-batch.ts';

type TopicData = ProduceRequest['topicData'][number];
type PartitionData = TopicData['partitionData'][number];

/** As the request names the topic: by name, from v13 on by id. */
type RequestedTopic = Pick<TopicData, 'name' | 'topicId'>;

/** A batch on its way into a WAL file, and the place in the request that its placeholder takes. */
export interface WalCandidate {
  readonly topic: string;
  readonly partition: number;
  readonly bytes: Buffer;
  readonly maxTimestamp: bigint;
  readonly requested: RequestedTopic;
  readonly data: PartitionData;
}

/** A batch that the broker is not to see. */
export interface RefusedBatch {
  readonly requested: RequestedTopic;
  readonly data: PartitionData;
  readonly refusal: Refusal;
}

export interface ProducePlan {
  readonly candidates: readonly WalCandidate[];
  readonly refused: readonly RefusedBatch[];
}

/** Finds the topic that a request names; undefined for one that is classic or not known. */
export type DisklessTopicOf = (
  topic: RequestedTopic,
) => { readonly topic: CatalogTopic; readonly configs: TopicConfigs } | undefined;

/**
 * @param body the decoded request
 * @param apiVersion its version
 * @param disklessTopicOf the topics whose batches may go into WAL files
 * @param nowMs wall clock
 */
export function planProduce(
  body: ProduceRequest,
  apiVersion: number,
  disklessTopicOf: DisklessTopicOf,
  nowMs: number,
): ProducePlan {
  const candidates: WalCandidate[] = [];
  const refused: RefusedBatch[] = [];
  for (const requested of body.topicData) {
    const diskless = disklessTopicOf(requested);
    if (diskless === undefined) continue;
    for (const data of requested.partitionData) {
      const bytes = data.records;
      if (bytes === null) continue;
      const admission = admitBatch(bytes, diskless.configs, apiVersion, nowMs);
      const topic = diskless.topic.name;
      const partition = data.index;
      if (admission.kind === 'wal') {
        const { maxTimestamp } = admission;
        candidates.push({ topic, partition, bytes, maxTimestamp, requested, data });
      } else if (admission.kind === 'refused') {
        const refusal = inBrokersWords(admission.refusal, topic, partition);
        refused.push({ requested, data, refusal });
      }
    }
  }
  return { candidates, refused };
}
