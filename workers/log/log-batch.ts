/** What a batch of a broker's log is, as indexes of merged files describe it. Pure. */
import { baseOffset, batchCrc, lastOffset, readPlaceholder } from '../../kafka/index.ts';
import type { KeyRing } from '../../kafka/index.ts';
import type { LogBatch } from '../../storage/index.ts';

/**
 * @param batch whole, as it is in the log
 * @param at whose log that is
 * @returns undefined for a placeholder of a version, or signed with a key, that is not known here
 */
export function logBatchOf(
  batch: Buffer,
  { topic, partition }: { readonly topic: string; readonly partition: number },
  keyRing: KeyRing,
): LogBatch | undefined {
  const reading = readPlaceholder({ buf: batch, at: 0, topic, partition, keyRing, deep: true });
  const offsets = { baseOffset: baseOffset(batch), lastOffset: lastOffset(batch) };
  if (reading.kind === 'unknown') return undefined;
  if (reading.kind === 'real')
    return { ...offsets, origin: { kind: 'real', crc: batchCrc(batch) } };
  const { fileId, position, crc } = reading.pointer;
  return { ...offsets, origin: { kind: 'wal', fileId, position, crc } };
}
