/**
 * Random logs as a leader could have them: plain and idempotent batches, transactions that overlap,
 * markers of both versions, gaps as compaction leaves them, new leader epochs.
 */
import * as fc from 'fast-check';
import { buildRecordBatch } from '../../../../kafka/index.ts';

const PRODUCERS = 4;
const START_TIME = 1_764_000_000_000n;

const action = fc.record({
  kind: fc.constantFrom('plain', 'idempotent', 'data', 'data', 'data', 'commit', 'abort', 'empty'),
  producer: fc.nat(PRODUCERS - 1),
  records: fc.integer({ min: 1, max: 5 }),
  valueBytes: fc.constantFrom(0, 10, 300, 1500),
  gap: fc.constantFrom(0, 0, 0, 0, 3),
  newLeader: fc.nat(11).map((roll) => roll === 11),
  bumpsEpoch: fc.boolean(),
  timeStep: fc.integer({ min: -50, max: 100 }),
  hasTime: fc.constantFrom(true, true, true, false),
});
type Action = typeof action extends fc.Arbitrary<infer T> ? T : never;

export interface RandomLog {
  readonly startOffset: bigint;
  /** As a leader has stored them. */
  readonly batches: readonly Buffer[];
}

interface Producer {
  epoch: number;
  sequence: number;
  isOpen: boolean;
}

/** @returns a batch with one record: the end of a transaction */
export function markerBatch(
  type: 'abort' | 'commit',
  header: {
    readonly baseOffset: bigint;
    readonly producerId: bigint;
    readonly producerEpoch: number;
    readonly partitionLeaderEpoch?: number;
    readonly baseTimestamp?: bigint;
  },
  coordinatorEpoch = 0,
): Buffer {
  const key = Buffer.from(type === 'abort' ? '00000000' : '00000001', 'hex');
  const value = Buffer.alloc(6);
  value.writeInt32BE(coordinatorEpoch, 2);
  const marker = { partitionLeaderEpoch: 0, ...header, transactional: true, control: true };
  return buildRecordBatch(marker, [{ key, value }]);
}

class LogMaker {
  readonly batches: Buffer[] = [];
  readonly #producers: Producer[] = Array.from({ length: PRODUCERS }, () => ({
    epoch: 0,
    sequence: 0,
    isOpen: false,
  }));
  #offset: bigint;
  #leaderEpoch = 0;
  #time = START_TIME;

  constructor(startOffset: bigint) {
    this.#offset = startOffset;
  }

  add(step: Action): void {
    const producer = this.#producers[step.producer];
    if (producer === undefined) throw new Error('no such producer');
    if (this.batches.length > 0) this.#offset += BigInt(step.gap);
    if (step.newLeader) this.#leaderEpoch += 1;
    this.#time += BigInt(step.timeStep);
    const { kind } = step;
    if (kind === 'commit' || kind === 'abort') this.#addMarker(kind, producer, step);
    else this.#addData(kind, producer, step);
  }

  #addMarker(kind: 'abort' | 'commit', producer: Producer, step: Action): void {
    if (step.bumpsEpoch) Object.assign(producer, { epoch: producer.epoch + 1, sequence: 0 });
    producer.isOpen = false;
    const header = { ...this.#header(step), producerEpoch: producer.epoch };
    this.batches.push(markerBatch(kind, header, step.records));
    this.#offset += 1n;
  }

  #addData(kind: Action['kind'], producer: Producer, step: Action): void {
    const transactional = kind === 'data';
    const isPlain = kind === 'plain' || (producer.isOpen && !transactional);
    const records = Array.from({ length: step.records }, (_, index) => ({
      value: Buffer.alloc(step.valueBytes, index),
      timestampDelta: index % 3,
    }));
    const header = {
      ...this.#header(step),
      // Kept by compaction for what its header says.
      ...(kind === 'empty' ? { lastOffsetDelta: step.records - 1 } : {}),
      producerEpoch: producer.epoch,
      baseSequence: producer.sequence,
      transactional,
    };
    const none = { producerId: -1n, producerEpoch: -1, baseSequence: -1 };
    const batchHeader = isPlain ? { ...header, ...none } : header;
    this.batches.push(buildRecordBatch(batchHeader, kind === 'empty' ? [] : records));
    this.#offset += BigInt(step.records);
    if (isPlain) return;
    producer.sequence += step.records;
    if (transactional) producer.isOpen = true;
  }

  #header(step: Action): {
    baseOffset: bigint;
    partitionLeaderEpoch: number;
    baseTimestamp: bigint;
    producerId: bigint;
  } {
    return {
      baseOffset: this.#offset,
      partitionLeaderEpoch: this.#leaderEpoch,
      baseTimestamp: step.hasTime ? this.#time : -1n,
      producerId: BigInt(step.producer),
    };
  }
}

export const randomLogs: fc.Arbitrary<RandomLog> = fc
  .record({
    startOffset: fc.constantFrom(0n, 1000n, 5_000_000_000n),
    steps: fc.array(action, { minLength: 1, maxLength: 80, size: 'max' }),
  })
  .map(({ startOffset, steps }) => {
    const maker = new LogMaker(startOffset);
    for (const step of steps) maker.add(step);
    return { startOffset, batches: maker.batches };
  });
