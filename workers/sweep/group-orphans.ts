/** Objects that the group's journal does not name: segments whose entry was never written. */
import { partitionGroup, SEGMENT_PREFIX, type GroupState } from '../../storage/index.ts';
import type { JobContext } from '../group-job.ts';
import { isOlder, type TwoClocks } from './store-clock.ts';

/** `<topic>-<topic id>/<partition>/<start>-<segment id>.<suffix>`, as `segmentKeys` makes it. */
const SEGMENT_KEY =
  /^segments\/[^/]+-([A-Za-z0-9_-]{22})\/(\d+)\/\d{20}-([A-Za-z0-9_-]{22})\.(log|indexes|rsm-manifest)$/;
/** In one look. */
const ORPHANS_MAX = 3_000;

/** An upload may be under way, so only old ones go. */
export async function sweepOrphanSegments(
  { group, store, signal, failpoint, logger }: JobContext,
  now: TwoClocks,
  { keepMs }: { readonly keepMs: number },
): Promise<void> {
  const orphans: string[] = [];
  let named = segmentIds(group.state);
  let number = group.state.number;
  for await (const { key, modifiedMs } of store.list(SEGMENT_PREFIX, { signal })) {
    const [, topicId = '', partition = '', segmentId = ''] = SEGMENT_KEY.exec(key) ?? [];
    if (topicId === '' || !isOlder(modifiedMs, keepMs, now)) continue;
    const id = { topicId, partition: Number(partition) };
    if (partitionGroup(id, group.groupCount) !== group.number) continue;
    if (group.state.number !== number) {
      named = segmentIds(group.state);
      number = group.state.number;
    }
    if (named.has(segmentId)) continue;
    orphans.push(key);
    if (orphans.length >= ORPHANS_MAX) break;
  }
  if (orphans.length === 0) return;
  await failpoint('sweep:before-orphans');
  await store.delete(orphans);
  logger.info({ objects: orphans.length }, 'objects of segments that no journal names are swept');
}

/** @returns the ids of all segments that the group's state knows, dead ones included */
function segmentIds({ partitions, deadSegments }: GroupState): ReadonlySet<string> {
  const ids = new Set(deadSegments.keys());
  for (const partition of partitions.values()) {
    for (const { segments } of [partition, ...partition.quarantined]) {
      for (const { id } of segments) ids.add(id);
    }
  }
  return ids;
}
