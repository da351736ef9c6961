/**
 * Random logs of keyed records with transactions, what a consumer makes of a log, and passes of the
 * cleaner over it: what tests of compaction share.
 */
import * as fc from 'fast-check';
import {
  BATCH_HEADER_BYTES,
  BODY_BYTES_MAX,
  baseOffset,
  baseTimestamp,
  batchAttributes,
  buildRecordBatch,
  codecOf,
  decompress,
  isControl,
  isTransactional,
  lastOffset,
  producerId,
  recordCount,
  records,
} from '../../../../kafka/index.ts';
import type { CompressionCodec, KafkaRecord } from '../../../../kafka/index.ts';
import { ProducerStates } from '../../../../storage/segment/producer-states.ts';
import type { AbortedTransaction } from '../../../../storage/index.ts';
import { LogCleaner } from '../../../../workers/compact/log-cleaner.ts';
import { markerBatch } from '../../storage/segment/random-log.ts';

const PRODUCERS = 3;
const CODECS: readonly CompressionCodec[] = [0, 1, 2, 3, 4];

const action = fc.record({
  kind: fc.constantFrom('plain', 'data', 'data', 'data', 'commit', 'abort'),
  producer: fc.nat(PRODUCERS - 1),
  codec: fc.constantFrom(...CODECS),
  records: fc.array(
    fc.record({ key: fc.nat(5), value: fc.option(fc.nat(1_000_000), { freq: 4 }) }),
    { minLength: 1, maxLength: 5 },
  ),
});
export type Action = typeof action extends fc.Arbitrary<infer T> ? T : never;
export const actions = fc.array(action, { minLength: 1, maxLength: 40, size: 'max' });

/** Appends as a leader would. Open transactions are aborted by `end`. */
export class KeyedLog {
  batches: Buffer[] = [];
  aborted: AbortedTransaction[] = [];
  endOffset = 0n;
  timestamp = 1_764_000_000_000n;
  readonly #open = new Set<number>();
  readonly #sequences = new Map<number, number>();
  readonly producers = new ProducerStates([]);

  add(step: Action): void {
    if (step.kind === 'commit' || step.kind === 'abort') this.#mark(step.kind, step.producer);
    else this.#append(step, step.kind === 'data');
  }

  end(): void {
    for (const producer of this.#open) this.#mark('abort', producer);
  }

  #append(step: Action, transactional: boolean): void {
    const isPlain = !transactional;
    const sequence = this.#sequences.get(step.producer) ?? 0;
    const producer = {
      producerId: BigInt(step.producer),
      producerEpoch: 0,
      baseSequence: sequence,
      transactional,
    };
    const batch = buildRecordBatch(
      {
        ...this.#header(),
        codec: step.codec,
        ...(isPlain ? {} : producer),
      },
      step.records.map(({ key, value }, index) => ({
        key: Buffer.from(`key-${key}`),
        value: value === null ? null : Buffer.from(`value-${value}`),
        timestampDelta: index,
      })),
    );
    if (transactional) {
      this.#sequences.set(step.producer, sequence + step.records.length);
      this.#open.add(step.producer);
    }
    this.#push(batch);
  }

  #mark(kind: 'commit' | 'abort', producer: number): void {
    this.#open.delete(producer);
    this.#push(
      markerBatch(kind, { ...this.#header(), producerId: BigInt(producer), producerEpoch: 0 }),
    );
  }

  #header(): { baseOffset: bigint; partitionLeaderEpoch: number; baseTimestamp: bigint } {
    this.timestamp += 10n;
    const baseTimestamp = this.timestamp;
    return { baseOffset: this.endOffset, partitionLeaderEpoch: 0, baseTimestamp };
  }

  #push(batch: Buffer): void {
    const aborted = this.producers.append(batch);
    if (aborted !== undefined) this.aborted.push(aborted);
    this.batches.push(batch);
    this.endOffset = lastOffset(batch) + 1n;
  }
}

export interface ReadRecord {
  readonly offset: bigint;
  readonly key: string | undefined;
  readonly value: string | null;
  readonly timestamp: bigint;
}

export function recordsOf(batch: Buffer): KafkaRecord[] {
  const body = batch.subarray(BATCH_HEADER_BYTES);
  const outcome = decompress(codecOf(batchAttributes(batch)), body, BODY_BYTES_MAX);
  if (outcome.kind !== 'body') throw new Error(outcome.kind);
  return [...records(outcome.body, recordCount(batch))];
}

/** @returns what a read_committed consumer gets of the log, by its markers */
export function readCommitted(batches: readonly Buffer[]): ReadRecord[] {
  const undecided = new Map<bigint, ReadRecord[]>();
  const read: ReadRecord[] = [];
  for (const batch of batches) {
    const attributes = batchAttributes(batch);
    const id = producerId(batch);
    if (isControl(attributes)) {
      const [marker] = recordsOf(batch);
      const isCommit = marker?.key?.readInt16BE(2) === 1;
      if (isCommit) read.push(...(undecided.get(id) ?? []));
      undecided.delete(id);
      continue;
    }
    const found = recordsOf(batch).map(({ offsetDelta, timestampDelta, key, value }) => ({
      offset: baseOffset(batch) + BigInt(offsetDelta),
      key: key?.toString(),
      value: value?.toString() ?? null,
      timestamp: baseTimestamp(batch) + BigInt(timestampDelta),
    }));
    if (!isTransactional(attributes)) read.push(...found);
    else undecided.set(id, [...(undecided.get(id) ?? []), ...found]);
  }
  const left = [...undecided.values()].flat();
  if (left.length > 0) throw new Error(`${left.length} records lost their marker`);
  return read.sort((a, b) => (a.offset < b.offset ? -1 : 1));
}

/** @returns the last value of each key, without those deleted */
export function latest(read: readonly ReadRecord[]): Map<string, string> {
  const values = new Map<string, string>();
  for (const { key = '', value } of read) {
    if (value === null) values.delete(key);
    else values.set(key, value);
  }
  return values;
}

export interface Pass {
  readonly batches: Buffer[];
  readonly aborted: AbortedTransaction[];
  readonly endOffset: bigint;
}

/** @returns the log after one pass over all of it */
export function cleanOnce(
  log: Pick<KeyedLog, 'batches' | 'aborted' | 'producers'>,
  options: { firstDirtyOffset: bigint; mapBytes: number; nowMs: number; deleteRetentionMs: number },
): Pass {
  const cleaner = new LogCleaner({ ...options, producers: log.producers.list() });
  cleaner.expectToIndex(log.aborted);
  for (const batch of log.batches) {
    if (lastOffset(batch) < options.firstDirtyOffset) continue;
    if (!cleaner.index(batch)) break;
  }
  cleaner.expectToClean(log.aborted);
  const batches: Buffer[] = [];
  const aborted: AbortedTransaction[] = [];
  for (const [index, batch] of log.batches.entries()) {
    const cleaned = cleaner.clean(batch, index === log.batches.length - 1);
    if (cleaned.aborted !== undefined) aborted.push(cleaned.aborted);
    if (cleaned.kept !== undefined) batches.push(cleaned.kept);
  }
  return { batches, aborted, endOffset: cleaner.endOffset };
}
