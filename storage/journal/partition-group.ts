/** Which partition group looks after a partition: fixed for as long as the bucket lives. */
import { crc32c } from '../../kafka/index.ts';
import { partitionKey } from './group-state.ts';
import type { PartitionId } from './group-state.ts';

/**
 * @param groupCount of the bucket, at least 1
 * @returns the group's number, from 0
 */
export function partitionGroup(id: PartitionId, groupCount: number): number {
  return crc32c(Buffer.from(partitionKey(id), 'latin1')) % groupCount;
}
