/**
 * Fills Redis' copies of the partition groups out of their journals, after Redis was wiped, or went
 * back in time, and nobody wants to wait until workers take each group. It owns nothing: what it
 * reads is the bucket's, what it writes is what a worker would write. Promises: the bucket is only
 * read; a copy is never replaced by an older one; one group's state is held at a time.
 */
import type { Logger } from 'pino';
import type { WorkerCoordinator } from '../../coordinator/index.ts';
import type { Clock } from '../../runtime/index.ts';
import { Journal } from '../../storage/index.ts';
import type { GroupState, ObjectStore } from '../../storage/index.ts';

export interface RebuildOptions {
  readonly store: ObjectStore;
  /** The Kafka cluster's id. */
  readonly clusterId: string;
  /** Of the bucket. */
  readonly groupCount: number;
  readonly coordinator: Pick<WorkerCoordinator, 'appliedNumber' | 'loadGroup'>;
  readonly clock: Clock;
  /** That many random bytes. */
  readonly random: (byteCount: number) => Buffer;
  readonly logger: Logger;
  /** Says what would be written and writes nothing. */
  readonly isDryRun: boolean;
  /** Also copies that are up to date by their number. */
  readonly isForced: boolean;
  /** Told after each of the two steps that a group has. */
  readonly onStep: (step: RebuildStep) => void;
}

export interface RebuildStep {
  readonly group: number;
  readonly step: 'read' | 'written';
}

/**
 * `ahead`: Redis has entries that the journal does not have, so one of the two was set back: which,
 * an operator has to say. Nothing was written.
 */
export type RebuildOutcome = 'written' | 'would-be-written' | 'up-to-date' | 'ahead';

export interface GroupRebuild {
  readonly group: number;
  readonly outcome: RebuildOutcome;
  /** Of the last entry in the journal. */
  readonly journalNumber: number;
  /** Up to which entry Redis had the group before. */
  readonly redisNumber: number;
  readonly partitionCount: number;
  readonly extentCount: number;
  readonly segmentCount: number;
}

/**
 * @returns what became of each group, by its number
 * @throws what a damaged journal, the store or Redis throw; groups before it are written then
 */
export async function rebuild(options: RebuildOptions): Promise<readonly GroupRebuild[]> {
  const groups: GroupRebuild[] = [];
  for (let group = 0; group < options.groupCount; group++) {
    groups.push(await rebuildGroup(group, options));
  }
  return groups;
}

async function rebuildGroup(group: number, options: RebuildOptions): Promise<GroupRebuild> {
  const { store, clusterId, clock, random, logger, coordinator, onStep } = options;
  const now = (): number => clock.wallMs();
  const journal = await Journal.open({
    store,
    clusterId,
    group,
    random,
    now,
    logger,
    readOnly: true,
  });
  const { state } = journal;
  onStep({ group, step: 'read' });
  const redisNumber = await coordinator.appliedNumber(group);
  const outcome = outcomeOf(state, redisNumber, options);
  if (outcome === 'written') await coordinator.loadGroup(group, state);
  onStep({ group, step: 'written' });
  return { group, outcome, journalNumber: state.number, redisNumber, ...countOf(state) };
}

function outcomeOf(
  state: GroupState,
  redisNumber: number,
  { isDryRun, isForced }: RebuildOptions,
): RebuildOutcome {
  if (redisNumber > state.number) return 'ahead';
  if (redisNumber === state.number && (!isForced || state.number === 0)) return 'up-to-date';
  return isDryRun ? 'would-be-written' : 'written';
}

function countOf(
  state: GroupState,
): Pick<GroupRebuild, 'partitionCount' | 'extentCount' | 'segmentCount'> {
  let extentCount = 0;
  let segmentCount = 0;
  for (const { extents, segments } of state.partitions.values()) {
    extentCount += extents.length;
    segmentCount += segments.length;
  }
  return { partitionCount: state.partitions.size, extentCount, segmentCount };
}
