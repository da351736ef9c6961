/**
 * Merging under everything that may happen to it: workers that die at any step and work side by
 * side, members whose files are lost and found, leaders that are elected with and without the end
 * of the log, followers that stop, users who delete. In the end the extents are what the log is,
 * batch by batch; and at no time is a file "as of" merged of which the log has something that is
 * not.
 */
import assert from 'node:assert/strict';
import { assert as assertProperty, asyncProperty, integer } from 'fast-check';
import { test } from 'vitest';
import {
  baseOffset,
  BATCH_FIELD,
  lastOffset,
  partitionLeaderEpoch,
  readPlaceholder,
  restoreBatch,
  type Pointer,
} from '../../../../kafka/index.ts';
import { readWalFrame, walKey } from '../../../../storage/index.ts';
import { createMergeJob } from '../../../../workers/merge/merge-job.ts';
import { FakeClusterLog, type FakePartition } from '../../../support/fake-cluster-log.ts';
import { batchOf, MergeSite, type SiteWorker } from '../../../support/merge-site.ts';

const TOPIC = 'orders';
const PARTITIONS = 3;
const GROUPS = 2;
const STEPS = 50;
const CHECK_EVERY_STEPS = 5;
const RUNS = 8;
/** Chunks of a few batches. */
const OPTIONS = { intervalMs: 1, fileBytes: 600 };
const KILLED = new Error('killed');

class Model {
  readonly site: MergeSite;
  readonly #random: () => number;
  readonly #files = new Map<bigint, Buffer>();
  readonly #late: (() => void)[] = [];
  #settledBy = new Map<bigint, number>();
  readonly #workers = new Map<number, SiteWorker>();
  #jobs = [createMergeJob(OPTIONS), createMergeJob(OPTIONS)];
  #values = 0;
  #producers = 0n;
  /** What happens meanwhile happens to nobody else. */
  #depth = 0;

  constructor(seed: number) {
    this.#random = randomOf(seed);
    const onCall = async (): Promise<void> => this.#meanwhile(0.03);
    this.site = new MergeSite(GROUPS, new FakeClusterLog({ onCall }));
    this.site.createTopic(TOPIC, PARTITIONS);
  }

  async run(): Promise<void> {
    for (let step = 0; step < STEPS; step++) {
      await this.#step();
      if (step % CHECK_EVERY_STEPS === 0) await this.#checkSamples();
    }
    await this.#settleDown();
    for (let partition = 0; partition < PARTITIONS; partition++) await this.#check(partition);
  }

  async #step(): Promise<void> {
    const roll = this.#random();
    if (roll < 0.45) this.#produce();
    else if (roll < 0.55) this.#accident();
    else await this.#merge(Math.floor(this.#random() * 2));
  }

  #produce(): void {
    const roll = this.#random();
    if (roll < 0.2) {
      this.site.produceReal({
        topic: TOPIC,
        partition: this.#pick(PARTITIONS),
        batch: this.#batch(),
      });
    } else if (roll < 0.3) {
      this.#transaction();
    } else {
      const produced = Array.from({ length: 1 + this.#pick(4) }, () => {
        return { topic: TOPIC, partition: this.#pick(PARTITIONS), batch: this.#batch() };
      });
      const { fileId, append } = this.site.upload(produced);
      this.#files.set(fileId, this.site.store.objects.get(walKey(fileId)) ?? Buffer.alloc(0));
      const appendAndSettle = (): void => {
        append();
        const number = this.site.coordinator.settle(fileId);
        if (number !== undefined) this.#settledBy.set(fileId, number);
      };
      // A member that stalls between the upload and the forwarding.
      if (this.#random() < 0.2) this.#late.push(appendAndSettle);
      else appendAndSettle();
    }
    if (this.#random() < 0.3) this.#late.shift()?.();
  }

  #transaction(): void {
    this.#producers += 1n;
    const header = { producerId: this.#producers, producerEpoch: 0, transactional: true };
    const partition = this.#pick(PARTITIONS);
    const produced = { topic: TOPIC, partition };
    this.site.produceReal({ ...produced, batch: batchOf(['t'], { ...header, baseSequence: 0 }) });
    if (this.#random() < 0.3) return;
    this.site.produceReal({ ...produced, batch: batchOf(['abort'], { ...header, control: true }) });
  }

  #accident(): void {
    const partition = this.#partition();
    const roll = this.#random();
    if (roll < 0.2) partition.elect();
    else if (roll < 0.4) this.#unclean(partition);
    else if (roll < 0.55) partition.stopFollowers();
    else if (roll < 0.65) partition.hasLeader = !partition.hasLeader;
    else if (roll < 0.75) this.#deleteSome(partition);
    else if (roll < 0.9) this.#loseAFile();
    else this.#workers.clear();
  }

  /** A replica that lacks the end of the log; what is above the high watermark is always gone. */
  #unclean(partition: FakePartition): void {
    const { batches, highWatermark, logStartOffset } = partition;
    const ends = [logStartOffset, ...batches.map((batch) => lastOffset(batch) + 1n)];
    const possible = ends.filter((end) => end <= highWatermark && end >= logStartOffset);
    const end = possible[Math.max(0, possible.length - 1 - this.#pick(4))];
    if (end !== undefined) partition.electUnclean(end);
  }

  #deleteSome(partition: FakePartition): void {
    const { batches, highWatermark } = partition;
    const ends = batches.map((batch) => lastOffset(batch) + 1n);
    const end = ends.filter((offset) => offset <= highWatermark)[this.#pick(3)];
    if (end !== undefined) partition.deleteBelow(end);
  }

  #loseAFile(): void {
    const files = [...this.#files.keys()];
    const fileId = files[this.#pick(files.length)];
    if (fileId !== undefined) this.site.store.objects.delete(walKey(fileId));
  }

  async #merge(which: number): Promise<void> {
    const worker = this.#workers.get(which) ?? (await this.#openWorker());
    this.#workers.set(which, worker);
    try {
      const job = this.#jobs[which];
      if (job !== undefined) await worker.run(job);
    } catch (error) {
      if (error !== KILLED) throw error;
      this.#workers.delete(which);
      this.#jobs[which] = createMergeJob(OPTIONS);
    }
  }

  async #openWorker(): Promise<SiteWorker> {
    const failpoint = async (): Promise<void> => {
      if (this.#depth === 0 && this.#random() < 0.1) throw KILLED;
      await this.#meanwhile(0.1);
    };
    return await this.site.openWorker({ failpoint });
  }

  /** While one worker is at work. */
  async #meanwhile(probability: number): Promise<void> {
    if (this.#depth > 0 || this.#random() >= probability) return;
    this.#depth += 1;
    const roll = this.#random();
    if (roll < 0.4) this.#produce();
    else if (roll < 0.7) this.#accident();
    else {
      const other = await this.site.openWorker();
      await other.run(createMergeJob(OPTIONS));
    }
    this.#depth -= 1;
  }

  /** Everything comes back, and is merged. */
  async #settleDown(): Promise<void> {
    this.#depth = 1;
    for (const append of this.#late.splice(0)) append();
    for (const [fileId, file] of this.#files) this.site.store.objects.set(walKey(fileId), file);
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const log = this.site.log.partition(TOPIC, partition);
      log.hasLeader = true;
      log.followersLag = false;
    }
    for (let run = 0; run < 4; run++) {
      await (await this.site.openWorker()).run(createMergeJob(OPTIONS));
    }
    const partitions = [...Array.from({ length: PARTITIONS }).keys()];
    const names = partitions.map((partition) => ({ topic: TOPIC, partition }));
    await this.site.coordinator.requestSamples(names);
    // A log that grew again to the very cursor is found to be another one by the first.
    for (let run = 0; run < 2; run++) {
      await (await this.site.openWorker()).run(createMergeJob(OPTIONS));
    }
  }

  async #check(partition: number): Promise<void> {
    const log = this.site.log.partition(TOPIC, partition);
    const state = await this.site.stateOf(TOPIC, partition);
    const merged = await this.site.readExtents(TOPIC, partition);
    const expected = log.batches.map((batch) => this.#restored(partition, batch));
    // What the log has no more may be kept until its retention is due.
    const from = log.logStartOffset;
    const kept = merged.filter((batch) => lastOffset(batch) >= from);
    assert.deepEqual(kept.map(describe), expected.map(describe), `partition ${partition}`);
    assert.equal(state?.cursor ?? 0n, log.endOffset);
    assert.equal(state?.asOf ?? 0, this.site.coordinator.snapshot().count);
    for (const [at, batch] of merged.entries()) {
      const before = merged[at - 1];
      if (before !== undefined) assert(lastOffset(before) < baseOffset(batch), 'twice');
    }
  }

  /** The sweep rule: a file settled before the sample is merged wherever the log has it. */
  async #checkSamples(): Promise<void> {
    const states = await this.site.states();
    for (const state of states.flatMap(({ partitions }) => [...partitions.values()])) {
      if (state.asOf === null) continue;
      const { partition } = state;
      const log = this.site.log.partition(TOPIC, partition);
      // Until a merge has met another history, what is below the cursor is none of this log's.
      if (state.leaderEpoch < log.epoch) continue;
      for (const batch of log.batches) {
        const pointer = this.#pointerIn(partition, batch);
        const number = pointer === undefined ? undefined : this.#settledBy.get(pointer.fileId);
        if (number === undefined || number > state.asOf) continue;
        assert(lastOffset(batch) < state.cursor, 'a settled file is swept that is not merged');
      }
    }
  }

  #restored(partition: number, batch: Buffer): Buffer {
    const pointer = this.#pointerIn(partition, batch);
    if (pointer === undefined) return batch;
    const file = this.#files.get(pointer.fileId);
    assert(file !== undefined, 'a file of ours');
    const real = readWalFrame(file, pointer.position, pointer.length, TOPIC, partition);
    return Buffer.concat(restoreBatch(real, batch));
  }

  #pointerIn(partition: number, buf: Buffer): Pointer | undefined {
    const { keyRing } = this.site;
    const reading = readPlaceholder({ buf, at: 0, topic: TOPIC, partition, keyRing, deep: true });
    return reading.kind === 'placeholder' ? reading.pointer : undefined;
  }

  #partition(): FakePartition {
    return this.site.log.partition(TOPIC, this.#pick(PARTITIONS));
  }

  #batch(): Buffer {
    this.#values += 1;
    const value = `${this.#values}`.repeat(10 + this.#pick(20));
    return batchOf(Array.from({ length: 1 + this.#pick(3) }, (_, record) => `${value}-${record}`));
  }

  #pick(count: number): number {
    return Math.floor(this.#random() * count);
  }
}

function describe(batch: Buffer): string {
  const content = batch.subarray(BATCH_FIELD.attributes).toString('base64');
  return `${baseOffset(batch)} epoch ${partitionLeaderEpoch(batch)} ${content}`;
}

/** Mulberry32. */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

test('the extents are what the log is, whatever happened on the way', {
  timeout: 120_000,
}, async () => {
  const property = asyncProperty(integer(), async (seed) => new Model(seed).run());
  await assertProperty(property, { numRuns: RUNS });
});
