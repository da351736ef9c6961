/** Deletes what the journal calls dead: a death is final, so an old state may be acted on. */
import { segmentKeys, SEGMENT_PREFIX, type DeadSegment, type Death } from '../../storage/index.ts';
import type { JobContext } from '../group-job.ts';
import type { TwoClocks } from './store-clock.ts';

/** In one entry; more wait for the next run. */
const FILES_MAX = 500;
const SEGMENTS_MAX = 300;

export interface DeadTimes {
  readonly marginMs: number;
  readonly keepMs: number;
}

/** Hollows out dead merged files, deletes dead segments, and writes the entry that says so. */
export async function sweepDead(
  context: JobContext,
  now: TwoClocks,
  times: DeadTimes,
): Promise<void> {
  const { group, store, signal, failpoint, logger } = context;
  const isDue = (death: Death | null): boolean => death !== null && isOver(death, now, times);
  const files = [...group.state.files.values()]
    .filter(({ death }) => isDue(death))
    .slice(0, FILES_MAX);
  const segments = [...group.state.deadSegments.values()]
    .filter(({ death }) => isDue(death))
    .slice(0, SEGMENTS_MAX);
  if (files.length + segments.length === 0) return;
  await failpoint('sweep:before-delete');
  for (const { file } of files) {
    signal.throwIfAborted();
    await group.hollowOut(file);
  }
  if (segments.length > 0) await store.delete(segments.flatMap(keysOfDead));
  await failpoint('sweep:after-delete');
  const outcome = await group.commit({
    kind: 'sweep',
    files: files.map(({ file }) => file),
    segments: segments.map(({ segment }) => segment.id),
    quarantines: [],
    topics: [],
  });
  const bytes = files.reduce((sum, each) => sum + each.bytes, 0);
  const what = { files: files.length, segments: segments.length, bytes, outcome: outcome.kind };
  logger.info(what, 'merged files and segments are swept');
}

/** The manifest goes first: without it the segment is not there. */
function keysOfDead({ segment, ...id }: DeadSegment): string[] {
  const { topicId, topic, partition } = id;
  const named = { topicId, topic, partition, segmentId: segment.id };
  const { log, indexes, manifest } = segmentKeys(SEGMENT_PREFIX, named, segment.baseOffset);
  return [manifest, indexes, log];
}

/** Whether readers that had begun when it died have ended. */
function isOver({ sinceMs, isForeign }: Death, now: TwoClocks, times: DeadTimes): boolean {
  const ms = isForeign === true ? times.keepMs : times.marginMs;
  return now.wallMs - sinceMs >= ms && now.storeMs - sinceMs >= ms;
}
