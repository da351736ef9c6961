/**
 * How far `retention.ms` and `retention.bytes` let a partition's data go: Kafka's
 * `UnifiedLog.deleteOldSegments`, on segments and, what is not yet in segments, on the extents of
 * merged files, which are finer. Bytes are those of the data, not of placeholders. Pure.
 */
import type { PartitionState } from '../../storage/index.ts';
import type { TopicSettings } from '../topics/topic-settings.ts';

interface StoredRange {
  readonly startOffset: bigint;
  readonly endOffset: bigint;
  readonly bytes: number;
  readonly maxTimestampMs: bigint;
}

/**
 * What was not merged yet is never given up, and of what was only whole segments and extents.
 *
 * @returns the offset below which everything may go; undefined if nothing more may
 */
export function retentionStart(
  partition: Pick<PartitionState, 'segments' | 'extents'>,
  settings: Pick<TopicSettings, 'cleanup' | 'retentionBytes' | 'retentionMs'>,
  nowMs: number,
): bigint | undefined {
  if (!settings.cleanup.delete) return undefined;
  const ranges = [...partition.segments, ...partition.extents];
  const byAge = endOfOld(ranges, nowMs - settings.retentionMs);
  const bySize = endOfExcess(ranges, settings.retentionBytes);
  if (byAge === undefined || bySize === undefined) return byAge ?? bySize;
  return byAge > bySize ? byAge : bySize;
}

/** Records without a timestamp go with what follows on them: by themselves they have no age. */
function endOfOld(ranges: readonly StoredRange[], beforeMs: number): bigint | undefined {
  let end: bigint | undefined;
  for (const { endOffset, maxTimestampMs } of ranges) {
    if (maxTimestampMs < 0n) continue;
    if (Number(maxTimestampMs) >= beforeMs) break;
    end = endOffset;
  }
  return end;
}

/** The oldest ones that leave `bytesMax` all the same. */
function endOfExcess(ranges: readonly StoredRange[], bytesMax: number): bigint | undefined {
  let excess = ranges.reduce((sum, { bytes }) => sum + bytes, 0) - bytesMax;
  let end: bigint | undefined;
  for (const { endOffset, bytes } of ranges) {
    excess -= bytes;
    if (excess < 0) break;
    end = endOffset;
  }
  return end;
}
