/**
 * Where share groups begin to read: the broker moves a group silently whose start lies below the
 * log's (KIP-932), so nobody may trim beyond it. A broker lists the groups that it coordinates, so
 * what every broker says is all there is; if one does not answer, nothing is known.
 */
import { ApiKey, apis, kafkaErrorName } from '../../kafka/index.ts';
import type { BrokerConnection, ClusterClient } from '../../kafka/index.ts';
import { partitionKey } from '../../storage/index.ts';
import type { PartitionId } from '../../storage/index.ts';
import { workerError } from '../errors.ts';

/** A group that begins later begins at the broker's start, or behind it. */
const BELIEVED_MS = 5_000;
const GROUP_TYPE = 'share';
/** The first version that tells the types of groups. */
const LIST_GROUPS_VERSION = 5;

export type ShareGroupClient = Pick<ClusterClient, 'refresh' | 'toBroker'>;
type Starts = ReadonlyMap<string, bigint>;

export class ShareGroupStarts {
  readonly #client: ShareGroupClient;
  readonly #monotonicMs: () => number;
  #starts: Promise<Starts> | undefined;
  #believedUntilMs = Number.NEGATIVE_INFINITY;

  constructor(client: ShareGroupClient, monotonicMs: () => number) {
    this.#client = client;
    this.#monotonicMs = monotonicMs;
  }

  /**
   * @returns the lowest start of the groups that read the partition
   * @throws `WORKER_LOG_DENIED`, `WORKER_LOG_UNREADABLE`, and what a client throws
   */
  async lowest(partition: PartitionId): Promise<bigint | undefined> {
    const nowMs = this.#monotonicMs();
    if (this.#starts === undefined || nowMs >= this.#believedUntilMs) {
      this.#believedUntilMs = nowMs + BELIEVED_MS;
      this.#starts = this.#ask();
    }
    const asked = this.#starts;
    try {
      return (await asked).get(partitionKey(partition));
    } catch (error) {
      if (this.#starts === asked) this.#starts = undefined;
      throw error;
    }
  }

  async #ask(): Promise<Starts> {
    const { brokers } = await this.#client.refresh();
    const perBroker = await Promise.all(
      [...brokers.keys()].map(async (id) => startsAt(await this.#client.toBroker(id))),
    );
    const lowest = new Map<string, bigint>();
    for (const [key, start] of perBroker.flat()) {
      const known = lowest.get(key);
      if (known === undefined || start < known) lowest.set(key, start);
    }
    return lowest;
  }
}

/** @returns the starts of the groups that the broker coordinates, by partition */
async function startsAt(broker: BrokerConnection): Promise<[string, bigint][]> {
  // Brokers before 4.1 have no share groups that outlive an upgrade.
  if (!broker.versions.has(ApiKey.DescribeShareGroupOffsets)) return [];
  const listed = await broker.request(
    apis.ListGroups,
    { statesFilter: [], typesFilter: [GROUP_TYPE] },
    { version: LIST_GROUPS_VERSION },
  );
  if (listed.errorCode !== 0) throw unknown('list its share groups', listed.errorCode);
  if (listed.groups.length === 0) return [];
  const described = await broker.request(apis.DescribeShareGroupOffsets, {
    groups: listed.groups.map(({ groupId }) => ({ groupId, topics: null })),
  });
  const starts: [string, bigint][] = [];
  for (const group of described.groups) {
    if (group.errorCode !== 0) throw unknown('describe a share group', group.errorCode);
    for (const { topicId, partitions } of group.topics) {
      for (const { partitionIndex, startOffset, errorCode } of partitions) {
        if (errorCode !== 0) throw unknown('tell the start of a share group', errorCode);
        // -1: the group has not begun to read the partition.
        if (startOffset < 0n) continue;
        starts.push([partitionKey({ topicId, partition: partitionIndex }), startOffset]);
      }
    }
  }
  return starts;
}

function unknown(what: string, errorCode: number): Error {
  const reason = kafkaErrorName(errorCode) ?? String(errorCode);
  return workerError('WORKER_LOG_UNREADABLE', `A broker does not ${what}: ${reason}.`, {
    retriable: true,
    details: { errorCode },
  });
}
