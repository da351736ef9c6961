/**
 * What of a partition's merged data is gone or damaged, as `outrigger verify` finds it. It owns no
 * check of its own.
 */
import { entryKey, partitionKey } from '../../storage/index.ts';
import type {
  Extent,
  GroupState,
  ObjectStore,
  PartitionState,
  Segment,
} from '../../storage/index.ts';
import { checkFiles } from '../verify/check-files.ts';
import { checkSegmentsOf } from '../verify/check-segments.ts';
import { Findings, type Finding } from '../verify/finding.ts';

export interface Damage {
  readonly extents: readonly Extent[];
  readonly segments: readonly Segment[];
}

export interface DamageCheck {
  readonly store: ObjectStore;
  readonly group: number;
  /** Also reads every byte. */
  readonly isDeep: boolean;
}

/**
 * @param state of the partition's group
 * @throws what the store throws
 */
export async function findDamage(
  { store, group, isDeep }: DamageCheck,
  state: GroupState,
  partition: PartitionState,
): Promise<Damage> {
  const found: Finding[] = [];
  const onFinding = (finding: Finding): number => found.push(finding);
  const findings = new Findings({ onFinding, onUnchecked: () => {} });
  // What is in quarantine is served to nobody.
  const alive = { ...partition, quarantined: [] };
  const alone = { ...state, partitions: new Map([[partitionKey(partition), alive]]) };
  await checkFiles(group, alone, store, isDeep, findings);
  await checkSegmentsOf({ group, store, isDeep }, alone, findings);
  const isDamaged = (at: Pick<Extent, 'startOffset'>, isOf: (key: string) => boolean): boolean =>
    found.some(({ startOffset, object }) => startOffset === at.startOffset && isOf(object ?? ''));
  return {
    extents: partition.extents.filter((extent) =>
      isDamaged(extent, (key) => key === entryKey(group, extent.file)),
    ),
    segments: partition.segments.filter((segment) =>
      isDamaged(segment, (key) => key.includes(segment.id)),
    ),
  };
}
