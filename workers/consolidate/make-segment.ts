/**
 * Makes the next segment of a partition and puts it. It rests on two things that it asks of the
 * leader: that the log has the history that was merged, and where its last stable offset is, below
 * which every transaction is decided.
 */
import { lastOffset, recordCount } from '../../kafka/index.ts';
import type { PartitionState, Segment } from '../../storage/index.ts';
import { SegmentBuild } from '../extents/segment-build.ts';
import { StoredBatches } from '../extents/stored-batches.ts';
import type { JobContext } from '../group-job.ts';
import type { PartitionLeader } from '../log/cluster-log.ts';
import { brokerBatches } from './broker-batches.ts';
import type { BrokerReading } from './broker-batches.ts';
import type { SegmentPlan } from './plan-segment.ts';
import { previousState } from './previous-state.ts';

export interface SegmentSource {
  readonly partition: PartitionState;
  readonly plan: SegmentPlan;
  readonly leader: PartitionLeader;
}

/**
 * @returns undefined if there is nothing to make one of for now: no batch below the last stable
 *   offset, or a log with another history
 * @throws `WORKER_OBJECT_MISSING`, `STORAGE_…_CORRUPT` and others, that concern the partition only;
 *   and what log and store throw
 */
export async function makeSegment(
  context: JobContext,
  source: SegmentSource,
  reading: BrokerReading,
): Promise<Segment | undefined> {
  const stable = await stableEnd(context, source);
  if (stable === undefined || stable <= source.partition.consolidatedTo) return undefined;
  const { store, group, memory } = context;
  const stored = new StoredBatches({ store, group: group.number });
  const held = source.plan.bytesMax + stored.bytesHeldMax;
  await memory.acquire(held);
  try {
    return await buildAndPut(context, source, stable, { stored, reading });
  } finally {
    memory.release(held);
  }
}

/** @returns up to where transactions are decided and the data is merged or still in the log */
async function stableEnd(
  { log }: JobContext,
  { partition, leader }: SegmentSource,
): Promise<bigint | undefined> {
  const { cursor, leaderEpoch: lastFetchedEpoch } = partition;
  const read = await log.read({ leader, offset: cursor, lastFetchedEpoch, bytesMax: 1 });
  if (read.kind !== 'read') return undefined;
  return read.lastStableOffset < cursor ? read.lastStableOffset : cursor;
}

interface Sources {
  readonly stored: StoredBatches;
  readonly reading: BrokerReading;
}

async function buildAndPut(
  context: JobContext,
  { partition, plan, leader }: SegmentSource,
  stable: bigint,
  { stored, reading }: Sources,
): Promise<Segment | undefined> {
  const { clock, signal, store, random, failpoint, progress } = context;
  const nowMs = clock.wallMs();
  const state = await previousState(stored, partition, nowMs, { signal });
  const build = new SegmentBuild(state, plan.bytesMax);
  const count = (batch: Buffer): void => {
    progress.advance({ records: recordCount(batch), bytes: batch.length });
  };
  const filling = { build, signal, count };
  let endOffset = await fillFromBroker(context, { partition, plan, leader }, stable, {
    ...filling,
    reading,
  });
  if (build.batches === 0) {
    const isGap = endOffset === plan.brokerEnd;
    if (!plan.isDue || !isGap) return undefined;
    const merged = stored.batches(partition, plan.brokerEnd, stable, { signal });
    const isAll = await fill(batchesOf(merged), stable, filling);
    endOffset = isAll && stable === partition.cursor ? stable : build.nextOffset;
  }
  if (build.batches === 0) return undefined;
  const { topicId, topic, partition: number } = partition;
  const afterPut = async (suffix: string): Promise<void> =>
    failpoint(`consolidate:after-${suffix}`);
  const id = { topicId, topic, partition: number };
  const { brokerId } = leader;
  const upload = { store, id, brokerId, nowMs, createdMs: nowMs, random, afterPut };
  const { segment } = await build.upload(upload, { signal });
  return { ...segment, endOffset };
}

interface Filling {
  readonly build: SegmentBuild;
  readonly signal: AbortSignal;
  readonly count: (batch: Buffer) => void;
}

/** @returns up to where the segment has, or knows that there is not, what only the broker has */
async function fillFromBroker(
  context: JobContext,
  { partition, plan, leader }: SegmentSource,
  stable: bigint,
  { reading, build, signal, count }: Filling & { readonly reading: BrokerReading },
): Promise<bigint> {
  const from = partition.consolidatedTo;
  if (plan.brokerEnd === from) return from;
  const to = plan.brokerEnd < stable ? plan.brokerEnd : stable;
  const batches = brokerBatches(context, { leader, from, to }, reading);
  for (;;) {
    const next = await batches.next();
    if (next.done === true) {
      const isAll = next.value === 'complete' && to === plan.brokerEnd;
      return isAll ? plan.brokerEnd : build.nextOffset;
    }
    signal.throwIfAborted();
    if (build.append(next.value) === 'full') return build.nextOffset;
    count(next.value);
  }
}

/** @returns whether every batch that ends below `to` is in the segment, and none is left out */
async function fill(
  batches: AsyncIterable<Buffer>,
  to: bigint,
  { build, signal, count }: Filling,
): Promise<boolean> {
  for await (const batch of batches) {
    signal.throwIfAborted();
    if (lastOffset(batch) >= to || build.append(batch) === 'full') return false;
    count(batch);
  }
  return true;
}

async function* batchesOf(
  stored: AsyncIterable<{ readonly bytes: Buffer }>,
): AsyncGenerator<Buffer> {
  for await (const { bytes } of stored) yield bytes;
}
