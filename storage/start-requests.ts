/**
 * Requests to move a partition's logical start to an offset that the brokers have no more: the
 * user's DeleteRecords below the broker's log start. A proxy leaves one in the bucket; the retain
 * job of the partition's group makes a journal entry of it and deletes it. Each is an object of its
 * own, named by its offset, so that none can undo another, whatever the order in which they come.
 */
import { jsonRecord } from './json-record.ts';
import type { PartitionId } from './journal/group-state.ts';
import type { CallOptions, ObjectStore } from './object-store.ts';

const PREFIX = 'starts/';
const GROUP_DIGITS = 5;
const OFFSET_DIGITS = 20;
const KEY = /^starts\/\d{5}\/([A-Za-z0-9_-]{22})\/(\d{1,10})\/(\d{20})$/;

export interface StartRequest extends PartitionId {
  /** The first offset that is to be kept. */
  readonly offset: bigint;
}

export class StartRequests {
  readonly #store: ObjectStore;

  constructor(store: ObjectStore) {
    this.#store = store;
  }

  /** Durable when it returns. The same request twice is one. @param group the partition's */
  async put(group: number, request: StartRequest, options?: CallOptions): Promise<void> {
    const { topicId, partition, offset } = request;
    const record = jsonRecord({ topicId, partition, offset: offset.toString() });
    await this.#store.put(keyOf(group, request), record, options);
  }

  /** Those of a partition group. A listing may lag: one that is missing comes the next time. */
  async *list(group: number, options?: CallOptions): AsyncIterable<StartRequest> {
    for await (const { key } of this.#store.list(`${PREFIX}${digits(group)}/`, options)) {
      const [, topicId = '', partition = '', offset = ''] = KEY.exec(key) ?? [];
      if (topicId === '') continue;
      yield { topicId, partition: Number(partition), offset: BigInt(offset) };
    }
  }

  /** Forgets requests that were met. */
  async delete(
    group: number,
    requests: readonly StartRequest[],
    options?: CallOptions,
  ): Promise<void> {
    if (requests.length === 0) return;
    const keys = requests.map((request) => keyOf(group, request));
    await this.#store.delete(keys, options);
  }
}

function keyOf(group: number, { topicId, partition, offset }: StartRequest): string {
  const padded = offset.toString().padStart(OFFSET_DIGITS, '0');
  return `${PREFIX}${digits(group)}/${topicId}/${partition}/${padded}`;
}

function digits(group: number): string {
  return String(group).padStart(GROUP_DIGITS, '0');
}
