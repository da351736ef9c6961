/**
 * Whether the segments of a group are there, with the sizes that the journal says, and whether
 * objects below their prefix belong to none. Deep, indexes are opened and every batch is checked.
 */
import { hasCode, lastOffset } from '../../kafka/index.ts';
import { partitionGroup, SEGMENT_PREFIX } from '../../storage/index.ts';
import type {
  GroupState,
  ObjectStore,
  PartitionState,
  Segment,
  SegmentKeys,
} from '../../storage/index.ts';
import { keysOf, openSegment, segmentBatches } from '../extents/segment-log.ts';
import type { NamedPartition } from '../extents/segment-log.ts';
import { BLOCK_BYTES } from '../extents/stored-batches.ts';
import { placeOf } from './check-offsets.ts';
import type { FindingKind, FindingPlace, Findings } from './finding.ts';

/** `<topic>-<topic id>/<partition>/<start>-<segment id>.<what>`, below the prefix. */
const OBJECT = /^[A-Za-z0-9._-]+-([A-Za-z0-9_-]{22})\/(\d+)\/\d{20}-([A-Za-z0-9_-]{22})\.(.+)$/;

/** A look at the segments of a state, whatever else is in the bucket. */
export interface KnownSegmentCheck {
  readonly group: number;
  readonly store: ObjectStore;
  readonly isDeep: boolean;
}

export interface SegmentCheck extends KnownSegmentCheck {
  readonly groupCount: number;
  /** Objects that nobody knows and that were made later may be about to be committed. */
  readonly orphansBeforeMs: number;
}

interface Known {
  readonly id: NamedPartition;
  readonly segment: Segment;
  readonly keys: SegmentKeys;
  readonly place: FindingPlace;
  /** Bytes by key, of those that a listing shows. */
  readonly listed: Map<string, number>;
}

/** For few segments: asks for each object instead of listing, and looks for no others. */
export async function checkSegmentsOf(
  check: KnownSegmentCheck,
  state: GroupState,
  findings: Findings,
): Promise<void> {
  for (const known of knownSegments(check.group, state).values()) {
    await checkSegment(check, known, findings);
  }
}

export async function checkSegments(
  check: SegmentCheck,
  state: GroupState,
  findings: Findings,
): Promise<void> {
  const known = knownSegments(check.group, state);
  await list(check, state, known, findings);
  for (const found of known.values()) await checkSegment(check, found, findings);
}

function knownSegments(group: number, state: GroupState): Map<string, Known> {
  const known = new Map<string, Known>();
  for (const partition of state.partitions.values()) {
    for (const { segments } of [partition, ...partition.quarantined]) {
      for (const segment of segments) known.set(segment.id, knownOf(group, partition, segment));
    }
  }
  return known;
}

function knownOf(group: number, partition: PartitionState, segment: Segment): Known {
  const { startOffset, endOffset } = segment;
  const place = { ...placeOf(group, partition), startOffset, endOffset };
  return { id: partition, segment, keys: keysOf(partition, segment), place, listed: new Map() };
}

/** Notes what is there, and reports what nobody knows. */
async function list(
  { group, groupCount, store, orphansBeforeMs }: SegmentCheck,
  state: GroupState,
  known: ReadonlyMap<string, Known>,
  findings: Findings,
): Promise<void> {
  for await (const { key, byteCount, modifiedMs } of store.list(SEGMENT_PREFIX)) {
    const [, topicId = '', number = '', segmentId = ''] =
      OBJECT.exec(key.slice(SEGMENT_PREFIX.length)) ?? [];
    const partition = Number(number);
    if (topicId !== '' && partitionGroup({ topicId, partition }, groupCount) !== group) continue;
    const of = known.get(segmentId);
    if (of !== undefined) of.listed.set(key, byteCount);
    else if (topicId === '' && group !== 0) continue;
    else if (!state.deadSegments.has(segmentId) && modifiedMs < orphansBeforeMs) {
      const place = topicId === '' ? { object: key } : { group, topicId, partition, object: key };
      findings.add('segment-orphan', 'no journal knows the segment of this object', place);
    }
  }
}

async function checkSegment(
  check: KnownSegmentCheck,
  known: Known,
  findings: Findings,
): Promise<void> {
  const { store, isDeep } = check;
  const { keys, segment, place } = known;
  const report = (kind: FindingKind, message: string, object: string): void => {
    findings.add(kind, message, { ...place, object });
  };
  let isWhole = true;
  for (const key of [keys.log, keys.indexes, keys.manifest]) {
    const byteCount = known.listed.get(key) ?? (await bytesOf(key, store));
    if (byteCount === undefined) report('object-missing', 'an object of a segment is gone', key);
    else if (key === keys.log && byteCount !== segment.bytes) {
      report('object-damaged', `it has ${byteCount} bytes, not ${segment.bytes}`, key);
    } else continue;
    isWhole = false;
  }
  if (!isDeep || !isWhole) return;
  try {
    const problem = await logProblem(known, store);
    if (problem !== undefined) report('object-damaged', problem, keys.log);
  } catch (error) {
    if (!hasCode(error, 'STORAGE_SEGMENT_CORRUPT')) throw error;
    report('object-damaged', error.message, keys.log);
  }
}

/** Reads everything, and checks it on the way. */
async function logProblem({ id, segment }: Known, store: ObjectStore): Promise<string | undefined> {
  const { manifest, indexes } = await openSegment(store, id, segment);
  indexes.state();
  const range = { from: segment.baseOffset, to: manifest.endOffset + 1n, blockBytes: BLOCK_BYTES };
  let last = -1n;
  for await (const batch of segmentBatches(store, id, segment, range)) last = lastOffset(batch);
  return last === manifest.endOffset ? undefined : 'its last batch is missing';
}

async function bytesOf(key: string, store: ObjectStore): Promise<number | undefined> {
  const outcome = await store.head(key);
  return outcome.kind === 'found' ? outcome.byteCount : undefined;
}
