/**
 * Moves logical starts: to where retention allows, and to where users asked for by DeleteRecords
 * below the broker's log start. One entry moves them all; from then on readers see it.
 */
import { inTurns } from '../../runtime/index.ts';
import { StartRequests, partitionKey } from '../../storage/index.ts';
import type { GroupState, PartitionState, StartRequest } from '../../storage/index.ts';
import type { JobContext } from '../group-job.ts';
import { retentionStart } from './retention-plan.ts';

/** Of one entry: what is left comes with the next run. */
const ROWS_MAX = 10_000;
const REQUESTS_MAX = 10_000;

/** @throws what the store, the brokers or the journal throw */
export async function moveStarts(context: JobContext): Promise<void> {
  const requests = new StartRequests(context.store);
  const asked = await listRequests(context, requests);
  const wanted = await wantedStarts(context, asked);
  const offsets = [...wanted]
    .map(([{ topicId, topic, partition }, offset]) => ({ topicId, topic, partition, offset }))
    .slice(0, ROWS_MAX);
  if (offsets.length > 0) {
    await context.failpoint('retain:before-commit');
    const outcome = await context.group.commit({ kind: 'start-moved', offsets });
    await context.failpoint('retain:after-commit');
    if (outcome.kind !== 'committed') {
      context.logger.info({ outcome: outcome.kind }, 'logical starts were not moved');
      return;
    }
  }
  const met = asked.filter((request) => isMet(context.group.state, request));
  await requests.delete(context.group.number, met, { signal: context.signal });
}

async function listRequests(
  { group, signal }: JobContext,
  requests: StartRequests,
): Promise<readonly StartRequest[]> {
  const listed: StartRequest[] = [];
  for await (const request of requests.list(group.number, { signal })) {
    listed.push(request);
    if (listed.length === REQUESTS_MAX) break;
  }
  return listed;
}

/** @returns the partitions whose start is to move, and where to */
async function wantedStarts(
  { group, settings, clock }: JobContext,
  asked: readonly StartRequest[],
): Promise<ReadonlyMap<PartitionState, bigint>> {
  const partitions = [...group.state.partitions.values()].filter(
    ({ segments, extents }) => segments.length + extents.length > 0,
  );
  const known = await settings.get(new Set(partitions.map(({ topic }) => topic)));
  const wanted = new Map<PartitionState, bigint>();
  const want = (partition: PartitionState, offset: bigint): void => {
    const above = wanted.get(partition) ?? partition.logicalStart ?? -1n;
    if (offset > above) wanted.set(partition, offset);
  };
  for await (const partition of inTurns(partitions)) {
    const ofTopic = known.get(partition.topic);
    const start =
      ofTopic === undefined ? undefined : retentionStart(partition, ofTopic, clock.wallMs());
    if (start !== undefined) want(partition, start);
  }
  for (const request of asked) {
    const partition = group.state.partitions.get(partitionKey(request));
    // What was not merged yet is the log's, whatever is asked for.
    if (partition !== undefined) want(partition, lower(request.offset, partition.cursor));
  }
  return wanted;
}

/** A partition that the journal does not know has nothing that could be deleted. */
function isMet({ partitions }: GroupState, request: StartRequest): boolean {
  const partition = partitions.get(partitionKey(request));
  return partition === undefined || request.offset <= (partition.logicalStart ?? -1n);
}

function lower(left: bigint, right: bigint): bigint {
  return left < right ? left : right;
}
