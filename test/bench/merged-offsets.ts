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
  const cursors = await mergeCursors(store, topic, logger);
  return [...cursors.values()].reduce((sum, cursor) => sum + cursor, 0);
}

/** @returns the merge cursors of the topic's partitions, as far as journals know them */
export async function mergeCursors(
  store: ObjectStore,
  topic: string,
  logger: Logger,
): Promise<ReadonlyMap<number, number>> {
  const bucket = await readBucket(store);
  const groupCount = await readGroupCount(store);
  if (bucket === undefined || groupCount === undefined) return new Map();
  const { clusterId } = bucket.identity;
  const cursors = new Map<number, number>();
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
      if (partition.topic === topic) cursors.set(partition.partition, Number(partition.cursor));
    }
  }
  return cursors;
}
