/**
 * Since when all brokers have denied topics and partitions: `sweep/absences.json` in the bucket, so
 * that a worker that comes later goes on counting. The cluster's sweep writes it, those of the
 * groups read it. A lost or damaged record only begins the count anew.
 */
import { z } from 'zod';
import { hasCode } from '../../kafka/index.ts';
import { jsonRecord, parseJsonRecord, type ObjectStore } from '../../storage/index.ts';
import type { TwoClocks } from './store-clock.ts';

const KEY = 'sweep/absences.json';
const VERSION = 1;
/** So that the record stays below a megabyte; what is beyond waits until others are swept. */
const ABSENCES_MAX = 2_500;

const recordSchema = z
  .object({
    version: z.literal(VERSION),
    clusterId: z.string(),
    /** Whether so much vanished at once that nothing may be deleted for it. */
    isStopped: z.boolean(),
    /** By `topicAbsence` or `partitionAbsence`: since when, by both clocks. */
    since: z.record(z.string(), z.object({ wallMs: z.number(), storeMs: z.number() }).readonly()),
  })
  .readonly();

/** @returns the key of a topic id */
export function topicAbsence(topicId: string): string {
  return `id:${topicId}`;
}

/** @returns the key of a partition's name */
export function partitionAbsence(topic: string, partition: number): string {
  return `name:${topic}/${partition}`;
}

export class Absences {
  readonly #clusterId: string;
  readonly #since: Map<string, TwoClocks>;
  #isStopped: boolean;
  #isChanged = false;

  private constructor(clusterId: string, isStopped: boolean, since: Map<string, TwoClocks>) {
    this.#clusterId = clusterId;
    this.#isStopped = isStopped;
    this.#since = since;
  }

  /** @throws what the store throws */
  static async read(store: ObjectStore, clusterId: string): Promise<Absences> {
    const outcome = await store.get(KEY);
    if (outcome.kind === 'missing') return new Absences(clusterId, false, new Map());
    try {
      const where = `${KEY} in ${store.location}`;
      const record = parseJsonRecord(outcome.bytes, recordSchema, where);
      if (record.clusterId !== clusterId) return new Absences(clusterId, false, new Map());
      return new Absences(clusterId, record.isStopped, new Map(Object.entries(record.since)));
    } catch (error) {
      if (!hasCode(error, 'STORAGE_RECORD_CORRUPT')) throw error;
      return new Absences(clusterId, false, new Map());
    }
  }

  /** Replaces the record, if anything changed. */
  async write(store: ObjectStore): Promise<void> {
    if (!this.#isChanged) return;
    const since = Object.fromEntries(this.#since);
    const record = { version: VERSION, clusterId: this.#clusterId };
    await store.put(KEY, jsonRecord({ ...record, isStopped: this.#isStopped, since }));
    this.#isChanged = false;
  }

  get isStopped(): boolean {
    return this.#isStopped;
  }

  stop(isStopped: boolean): void {
    if (this.#isStopped !== isStopped) this.#isChanged = true;
    this.#isStopped = isStopped;
  }

  /** All brokers deny it now. */
  add(key: string, now: TwoClocks): void {
    if (this.#since.has(key) || this.#since.size >= ABSENCES_MAX) return;
    this.#since.set(key, now);
    this.#isChanged = true;
  }

  /** It is there, or nothing refers to it any more. */
  remove(key: string): void {
    if (this.#since.delete(key)) this.#isChanged = true;
  }

  keys(): readonly string[] {
    return [...this.#since.keys()];
  }

  /** @returns for how long, by each of the clocks; none if it was never absent */
  forMs(key: string, now: TwoClocks): readonly number[] {
    const since = this.#since.get(key);
    if (since === undefined) return [];
    return [now.wallMs - since.wallMs, now.storeMs - since.storeMs];
  }
}
