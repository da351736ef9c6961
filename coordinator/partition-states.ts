/**
 * What became of the data of partitions, for proxies and commands: from Redis' copies while it has
 * them, else from the journals in the bucket. It keeps no answers: whoever asks often does.
 */
import type { Logger } from 'pino';
import { systemClock, type Clock } from '../runtime/index.ts';
import { partitionGroup, readGroupCount } from '../storage/index.ts';
import type { ObjectStore, PartitionId } from '../storage/index.ts';
import { JournalStates } from './journal-states.ts';
import { coordinatorKeys } from './keys.ts';
import { openAdmitted } from './redis/admission.ts';
import { CopyReader } from './redis/copy-reader.ts';
import type { RedisEndpoint } from './redis/endpoint.ts';
import { SharedSession } from './redis/shared-session.ts';
import { DEFAULT_TUNING } from './tuning.ts';
import type { PartitionStates, PartitionView } from './worker-coordinator.ts';

/** How long it counts that no worker has ever started on the bucket. */
const NO_GROUPS_MS = 5_000;

export interface PartitionStatesOptions {
  /** Null for a lone member: it always reads the journals. */
  readonly redis: { readonly endpoint: RedisEndpoint; readonly namespace: string } | null;
  readonly store: ObjectStore;
  /** The Kafka cluster's id. */
  readonly clusterId: string;
  readonly logger: Logger;
  readonly clock?: Pick<Clock, 'monotonicMs' | 'wallMs'>;
  /** The most that opening a connection, or one command, may take. */
  readonly commandTimeoutMs?: number;
}

export interface OpenPartitionStates extends PartitionStates {
  close(): void;
}

/** @returns states that ask nobody until they are asked */
export function createPartitionStates(options: PartitionStatesOptions): OpenPartitionStates {
  const { redis, store, clusterId, logger, clock = systemClock } = options;
  const journals = new JournalStates({ store, clusterId, clock, logger });
  const groups = new GroupCount(store, clock);
  if (redis === null) {
    return new SharedPartitionStates(groups, journals, undefined, () => undefined);
  }
  const { commandTimeoutMs = DEFAULT_TUNING.commandTimeoutMs } = options;
  const keys = coordinatorKeys(redis.namespace, clusterId);
  const session = new SharedSession(async () =>
    openAdmitted(redis.endpoint, commandTimeoutMs, keys.owner, clusterId),
  );
  const copies = new CopyReader({ session, keys, clock, logger });
  return new SharedPartitionStates(groups, journals, copies, () => session.close());
}

class SharedPartitionStates implements OpenPartitionStates {
  readonly #groups: GroupCount;
  readonly #journals: JournalStates;
  readonly #copies: CopyReader | undefined;
  readonly close: () => void;

  constructor(
    groups: GroupCount,
    journals: JournalStates,
    copies: CopyReader | undefined,
    close: () => void,
  ) {
    this.#groups = groups;
    this.#journals = journals;
    this.#copies = copies;
    this.close = close;
  }

  async get(id: PartitionId, isFresh = false): Promise<PartitionView | undefined> {
    const groupCount = await this.#groups.get();
    if (groupCount === undefined) return undefined;
    const group = partitionGroup(id, groupCount);
    const answer = await this.#copies?.read(group, id);
    if (answer?.kind === 'known') {
      // A worker writes the journal first, and may have failed to tell Redis.
      const isBehind = isFresh && (await this.#journals.mayGoOnAfter(group, answer.number));
      if (!isBehind) return answer.view;
    }
    const state = await this.#journals.get(group, id, isFresh);
    if (state === undefined) return undefined;
    const { quarantined: _, asOf: _asOf, ...view } = state;
    return { ...view, group };
  }
}

/** The bucket's number of groups: once there is one it never changes. */
class GroupCount {
  readonly #store: ObjectStore;
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  #known: number | undefined;
  #askedMs = Number.NEGATIVE_INFINITY;
  #asking: Promise<void> | undefined;

  constructor(store: ObjectStore, clock: Pick<Clock, 'monotonicMs'>) {
    this.#store = store;
    this.#clock = clock;
  }

  /** @returns undefined while no worker has ever started */
  async get(): Promise<number | undefined> {
    const nowMs = this.#clock.monotonicMs();
    if (this.#known !== undefined || nowMs - this.#askedMs < NO_GROUPS_MS) return this.#known;
    this.#asking ??= this.#ask(nowMs).finally(() => {
      this.#asking = undefined;
    });
    await this.#asking;
    return this.#known;
  }

  async #ask(nowMs: number): Promise<void> {
    this.#known = await readGroupCount(this.#store);
    this.#askedMs = nowMs;
  }
}
