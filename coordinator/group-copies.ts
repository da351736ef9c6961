/**
 * Redis' copies of the partition groups: what their journals add up to, for proxies to read. It
 * owns how a copy is brought from one state to the next, and how it is replaced. Promises: the
 * number of a copy is that of a state that is in it, whole, whatever Redis forgets and however many
 * workers write at once; while a change is under way some partitions are newer.
 */
import { randomBytes } from 'node:crypto';
import type { GroupState, PartitionState } from '../storage/index.ts';
import { coordinatorError } from './errors.ts';
import type { CoordinatorKeys } from './keys.ts';
import { malformed } from './packing.ts';
import {
  packPartition,
  parsePartition,
  parsePartitionField,
  PARTITION_FIELD_BYTES,
  partitionField,
} from './partition-record.ts';
import type { SharedSession } from './redis/shared-session.ts';
import {
  type PackedPartition,
  PARTITIONS_PER_CALL_MAX,
  WorkerScripts,
} from './redis/worker-scripts.ts';
import type { PartitionView } from './worker-coordinator.ts';

/** The field of a group's copy that has its number. */
export const NUMBER_FIELD = 'number';

const TOKEN_BYTES = 8;
/** What one call carries at most, if it is not a single partition: scripts hold up all others. */
const CALL_BYTES_MAX = 48 * 1024;
/** A copy that nobody went on writing is forgotten. */
const LOAD_EXPIRY_MS = 600_000;
/** Redis forgot what was written meanwhile: so often it is written again. */
const LOADS_MAX = 3;
const PARTITIONS_PER_SCAN = 200;

export class GroupCopies {
  readonly #session: SharedSession;
  readonly #keys: CoordinatorKeys;

  constructor(session: SharedSession, keys: CoordinatorKeys) {
    this.#session = session;
    this.#keys = keys;
  }

  /** @see WorkerCoordinator.appliedNumber */
  async appliedNumber(group: number): Promise<number> {
    const reply = await this.#session.use(async (session) =>
      session.call('HGET', [this.#keys.group(group), NUMBER_FIELD]),
    );
    return Buffer.isBuffer(reply) ? parseGroupNumber(reply) : 0;
  }

  /** @see WorkerCoordinator.applyStates */
  async apply(group: number, from: GroupState, to: GroupState): Promise<'applied' | 'behind'> {
    const token = randomBytes(TOKEN_BYTES);
    return await this.#session.use(async (session) => {
      const scripts = new WorkerScripts(session, this.#keys);
      const change = { group, before: from.number, after: to.number, token };
      let step = 0;
      for (const { partitions, isLast } of inCalls(changedPartitions(from, to))) {
        const outcome = await scripts.applyGroup({ ...change, step, isLast, partitions });
        if (outcome !== 'ok') return outcome;
        step++;
      }
      return 'applied';
    });
  }

  /** @see WorkerCoordinator.loadGroup */
  async load(group: number, state: GroupState): Promise<void> {
    for (let attempts = 0; attempts < LOADS_MAX; attempts++) {
      if ((await this.appliedNumber(group)) > state.number) return;
      if (await this.#tryLoad(group, state)) return;
    }
    const message = `Redis forgot parts of group ${group} while they were written.`;
    throw coordinatorError('COORDINATOR_REDIS_UNAVAILABLE', message, { retriable: true });
  }

  /** @see WorkerCoordinator.partitionViews */
  async *views(group: number): AsyncIterable<PartitionView> {
    const key = this.#keys.group(group);
    let cursor = '0';
    do {
      const args = [key, cursor, 'COUNT', PARTITIONS_PER_SCAN];
      const reply = await this.#session.use(async (session) => session.call('HSCAN', args));
      if (!Array.isArray(reply) || !Buffer.isBuffer(reply[0]) || !Array.isArray(reply[1])) {
        throw malformed('a reply to HSCAN');
      }
      cursor = reply[0].toString('latin1');
      const pairs: readonly unknown[] = reply[1];
      for (let index = 0; index + 1 < pairs.length; index += 2) {
        const [field, value] = [pairs[index], pairs[index + 1]];
        if (!Buffer.isBuffer(field) || !Buffer.isBuffer(value)) throw malformed('a field');
        if (field.length !== PARTITION_FIELD_BYTES) continue;
        yield parsePartition(group, parsePartitionField(field), value);
      }
    } while (cursor !== '0');
  }

  /** @returns false if Redis forgot some of it meanwhile */
  async #tryLoad(group: number, state: GroupState): Promise<boolean> {
    const token = randomBytes(TOKEN_BYTES);
    return await this.#session.use(async (session) => {
      const scripts = new WorkerScripts(session, this.#keys);
      let step = 0;
      for (const { partitions } of inCalls(allPartitions(state))) {
        if (!(await scripts.loadGroup(group, token, step, partitions, LOAD_EXPIRY_MS)))
          return false;
        step++;
      }
      return (await scripts.finishGroupLoad(group, token, state.number, step)) !== 'lost';
    });
  }
}

/** @throws `COORDINATOR_RECORD_MALFORMED` */
export function parseGroupNumber(value: Buffer): number {
  const number = Number(value.toString('latin1'));
  if (!Number.isSafeInteger(number) || number < 0) throw malformed('the number of a group');
  return number;
}

function* allPartitions({ partitions }: GroupState): Iterable<PackedPartition> {
  for (const partition of partitions.values()) yield packed(partition);
}

/** States share the partitions that are alike. */
function* changedPartitions(from: GroupState, to: GroupState): Iterable<PackedPartition> {
  for (const [key, partition] of to.partitions) {
    if (from.partitions.get(key) !== partition) yield packed(partition);
  }
  for (const [key, partition] of from.partitions) {
    if (!to.partitions.has(key)) yield { field: partitionField(partition), value: undefined };
  }
}

function packed(partition: PartitionState): PackedPartition {
  return { field: partitionField(partition), value: packPartition(partition) };
}

interface Call {
  readonly partitions: readonly PackedPartition[];
  readonly isLast: boolean;
}

/** @returns them in so many calls as it takes, at least one */
function* inCalls(all: Iterable<PackedPartition>): Iterable<Call> {
  let partitions: PackedPartition[] = [];
  let bytes = 0;
  for (const partition of all) {
    const more = PARTITION_FIELD_BYTES + (partition.value?.length ?? 0);
    const isFull = partitions.length === PARTITIONS_PER_CALL_MAX || bytes + more > CALL_BYTES_MAX;
    if (isFull && partitions.length > 0) {
      yield { partitions, isLast: false };
      partitions = [];
      bytes = 0;
    }
    partitions.push(partition);
    bytes += more;
  }
  yield { partitions, isLast: true };
}
