/**
 * The batches of a partition's log that were never merged, as consumers would get them: what a
 * backfill moves. Read from the leader, in answers of bounded size, within the rate that is
 * allowed.
 */
import { lastOffset, partitionLeaderEpoch, restoreBatch } from '../../kafka/index.ts';
import type { PartitionLeader } from '../log/cluster-log.ts';
import type { JobContext } from '../group-job.ts';
import { readLogBatch } from '../merge/log-batch.ts';
import { workerError } from '../errors.ts';
import { walBatchIn } from '../wal/wal-files.ts';
import type { WalFiles } from '../wal/wal-files.ts';
import type { MergeBatch } from '../merge/log-batch.ts';
import type { ByteThrottle } from './byte-throttle.ts';

/** Asked for at once; a single batch may be larger. */
export const READ_BYTES = 4 * 1024 * 1024;

export interface BrokerRange {
  readonly leader: PartitionLeader;
  readonly from: bigint;
  readonly to: bigint;
}

export interface BrokerReading {
  readonly throttle: ByteThrottle;
  readonly walFiles: WalFiles;
}

/**
 * Every batch from `from` on that ends below `to`. Returns whether that was all: not if the leader
 * moved, or has another history or start by now.
 *
 * @throws `WORKER_…` for a batch that cannot be had, and what the log and the store throw
 */
export async function* brokerBatches(
  context: Pick<JobContext, 'clock' | 'clusterId' | 'keyRing' | 'log' | 'signal' | 'store'>,
  { leader, from, to }: BrokerRange,
  { throttle, walFiles }: BrokerReading,
): AsyncGenerator<Buffer, 'complete' | 'interrupted'> {
  let offset = from;
  let lastFetchedEpoch = -1;
  while (offset < to) {
    const bytesMax = READ_BYTES;
    const read = await context.log.read({ leader, offset, lastFetchedEpoch, bytesMax });
    if (read.kind !== 'read') return 'interrupted';
    await throttle.pay(sizeOf(read.batches), context.clock, context.signal);
    const before = offset;
    for (const bytes of read.batches) {
      if (lastOffset(bytes) < offset) continue;
      if (lastOffset(bytes) >= to) return 'complete';
      const reading = readLogBatch(bytes, leader, context.keyRing);
      if (reading.kind === 'unknown') throw reading.error;
      lastFetchedEpoch = partitionLeaderEpoch(bytes);
      offset = reading.batch.lastOffset + 1n;
      yield await bytesOf(reading.batch, leader, context, walFiles);
    }
    // Nothing more below the high watermark, which is above: a gap that compaction left.
    if (offset === before) return read.highWatermark >= to ? 'complete' : 'interrupted';
  }
  return 'complete';
}

/** A placeholder is not expected there: topics are merged from the offset on where they begin. */
async function bytesOf(
  { bytes, baseOffset: offset }: MergeBatch,
  { topic, partition }: PartitionLeader,
  { store, clusterId }: Pick<JobContext, 'clusterId' | 'store'>,
  walFiles: WalFiles,
): Promise<Buffer> {
  if (bytes.kind === 'real') return bytes.batch;
  const details = { topic, partition, offset, fileId: bytes.pointer.fileId.toString(16) };
  const file = await walFiles.get(bytes.pointer.fileId, { store, clusterId });
  if (file.kind === 'missing') {
    const message = 'A WAL file that a log to be backfilled refers to is gone from the bucket.';
    throw workerError('WORKER_OBJECT_MISSING', message, { details });
  }
  const found =
    file.kind === 'found' ? walBatchIn(file.file, bytes.pointer, { topic, partition }) : file;
  if (found.kind === 'found') return Buffer.concat(restoreBatch(found.batch, bytes.header));
  const message = 'A WAL file that a log to be backfilled refers to is damaged.';
  throw workerError('WORKER_OBJECT_CORRUPT', message, { details, cause: found.cause });
}

function sizeOf(batches: readonly Buffer[]): number {
  return batches.reduce((sum, { length }) => sum + length, 0);
}
