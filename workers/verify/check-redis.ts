/**
 * Whether Redis' copy of a group is what the journal says. Workers may be at it meanwhile, so both
 * are compared at one number, and again if it has moved.
 */
import type { WorkerCoordinator } from '../../coordinator/index.ts';
import { partitionKey } from '../../storage/index.ts';
import type { Journal, PartitionState } from '../../storage/index.ts';
import { placeOf } from './check-offsets.ts';
import type { Findings } from './finding.ts';

/** How often both are read before it counts that Redis has another number. */
const ATTEMPTS_MAX = 5;

export type RedisCopies = Pick<WorkerCoordinator, 'appliedNumber' | 'partitionViews'>;

/** @param journal is caught up */
export async function checkRedis(
  group: number,
  journal: Journal,
  coordinator: RedisCopies,
  findings: Findings,
): Promise<void> {
  let applied = 0;
  for (let attempts = 0; attempts < ATTEMPTS_MAX; attempts++) {
    applied = await coordinator.appliedNumber(group);
    await journal.catchUp();
    if (applied !== journal.state.number) continue;
    const differing = await compare(group, journal, coordinator);
    if ((await coordinator.appliedNumber(group)) !== applied) continue;
    for (const { partition, message } of differing) {
      findings.add('redis-differs', message, placeOf(group, partition));
    }
    return;
  }
  const { number } = journal.state;
  if (applied === number) {
    findings.unchecked("Redis' copy of a group", 'it kept changing', { group });
  } else {
    const kind = applied < number ? 'redis-behind' : 'redis-ahead';
    findings.add(kind, `Redis is at entry ${applied}, the journal at ${number}`, { group });
  }
}

interface Difference {
  readonly partition: Pick<PartitionState, 'topic' | 'topicId' | 'partition'>;
  readonly message: string;
}

async function compare(
  group: number,
  { state }: Journal,
  coordinator: RedisCopies,
): Promise<Difference[]> {
  const differing: Difference[] = [];
  const missing = new Set(state.partitions.keys());
  for await (const view of coordinator.partitionViews(group)) {
    const key = partitionKey(view);
    const partition = state.partitions.get(key);
    // A scan of a hash may show a field twice.
    const isFirst = missing.delete(key);
    if (partition === undefined) {
      differing.push({ partition: view, message: 'Redis has a partition that is in no entry' });
    } else if (isFirst && !agrees(view, { ...partition, group })) {
      differing.push({ partition, message: 'Redis says something else of the partition' });
    }
  }
  for (const key of missing) {
    const partition = state.partitions.get(key);
    if (partition !== undefined) differing.push({ partition, message: 'Redis has nothing of it' });
  }
  return differing;
}

/** @returns whether all that the copy says is true; it need not say everything */
function agrees(copy: unknown, truth: unknown): boolean {
  if (!isFields(copy) || !isFields(truth)) return copy === truth;
  if (Array.isArray(copy) && Array.isArray(truth) && copy.length !== truth.length) return false;
  return Object.keys(copy).every((name) => agrees(copy[name], truth[name]));
}

function isFields(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
