/**
 * Leader epochs of a partition: which began at which offset, and the checkpoint file that lists
 * them (Kafka's `LeaderEpochCheckpointFile`): version 0, their number, then `epoch start` lines.
 */
import { segmentCorrupt } from './segment-error.ts';

const VERSION = '0';
const WHAT = 'A leader epoch checkpoint';
/** Digits that an i64 may have: no longer number is looked at. */
const LINE = /^(\d{1,10}) (\d{1,19})$/;
const EPOCH_MAX = 0x7fff_ffff;

export interface LeaderEpoch {
  readonly epoch: number;
  readonly startOffset: bigint;
}

/** @returns the file */
export function encodeLeaderEpochs(epochs: readonly LeaderEpoch[]): Buffer {
  const lines = epochs.map(({ epoch, startOffset }) => `${epoch} ${startOffset}\n`);
  return Buffer.from(`${VERSION}\n${epochs.length}\n${lines.join('')}`);
}

/** @throws `STORAGE_SEGMENT_CORRUPT` unless it is a whole checkpoint whose epochs rise */
export function parseLeaderEpochs(file: Buffer): LeaderEpoch[] {
  const [version, count, ...lines] = file.toString('latin1').split('\n');
  if (version !== VERSION) throw segmentCorrupt(WHAT, 'its version is unknown');
  if (lines.pop() !== '' || count !== String(lines.length)) {
    throw segmentCorrupt(WHAT, 'it does not hold as many epochs as it says');
  }
  const epochs = lines.map((line) => {
    const [, epoch = '', startOffset = ''] = LINE.exec(line) ?? [];
    if (epoch === '') throw segmentCorrupt(WHAT, 'a line has no epoch and offset');
    return { epoch: Number(epoch), startOffset: BigInt(startOffset) };
  });
  if (!leaderEpochsRise(epochs)) throw segmentCorrupt(WHAT, 'its epochs do not rise');
  return epochs;
}

/** @returns whether epochs and offsets both rise */
export function leaderEpochsRise(epochs: readonly LeaderEpoch[]): boolean {
  return epochs.every(({ epoch, startOffset }, index) => {
    const before = epochs[index - 1];
    if (epoch > EPOCH_MAX) return false;
    return before === undefined || (epoch > before.epoch && startOffset > before.startOffset);
  });
}

/**
 * @returns the epochs from the one that holds `from`, which then begins there, to the last that
 *   begins below `to` (Kafka's `LeaderEpochFileCache.epochEntriesInRange`)
 */
export function leaderEpochsBetween(
  epochs: readonly LeaderEpoch[],
  from: bigint,
  to: bigint,
): LeaderEpoch[] {
  const first = epochs.findLastIndex(({ startOffset }) => startOffset <= from);
  return epochs
    .slice(Math.max(first, 0))
    .filter(({ startOffset }) => startOffset < to)
    .map(({ epoch, startOffset }) => ({
      epoch,
      startOffset: startOffset < from ? from : startOffset,
    }));
}
