/** How far workers have come with a topic, as the journals in the bucket say. */
import { randomBytes } from 'node:crypto';
import type { Logger } from 'pino';
import { Journal, readBucket, readGroupCount, type ObjectStore } from '../../storage/index.ts';

/** @returns the sum of the merge cursors of the topic's partitions */
export async function mergedOffsets(
  store: ObjectStore,
  topic: string,
  logger: Logger,
): Promise<number> {
  const bucket = await readBucket(store);
  const groupCount = await readGroupCount(store);
  if (bucket === undefined || groupCount === undefined) return 0;
  const { clusterId } = bucket.identity;
  let sum = 0;
  for (let group = 0; group < groupCount; group++) {
    const { state } = await Journal.open({
      store,
      clusterId,
      group,
      random: randomBytes,
      now: Date.now,
      logger,
      readOnly: true,
    });
    for (const partition of state.partitions.values()) {
      if (partition.topic === topic) sum += Number(partition.cursor);
    }
  }
  return sum;
}
