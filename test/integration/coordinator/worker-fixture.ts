/** Worker coordinators on a Redis of the test's own, and states for them to copy. */
import { pino } from 'pino';
import {
  partitionKey,
  type Extent,
  type GroupState,
  type PartitionState,
  type Segment,
} from '../../../storage/index.ts';
import {
  RedisWorkerCoordinator,
  type PartitionView,
  type RedisWorkerCoordinatorOptions,
} from '../../../coordinator/index.ts';
import { MemoryClaims, newClusterId } from './support.ts';

/** Starts worker coordinators of one Kafka cluster, and closes them all. */
export class WorkerCoordinators {
  readonly #url: string;
  readonly #started: RedisWorkerCoordinator[] = [];
  readonly clusterId = newClusterId();
  readonly claims = new MemoryClaims();

  constructor(url: string) {
    this.#url = url;
  }

  async start(
    options: Partial<RedisWorkerCoordinatorOptions> = {},
  ): Promise<RedisWorkerCoordinator> {
    const coordinator = await RedisWorkerCoordinator.start({
      endpoint: { kind: 'single', url: this.#url },
      namespace: this.clusterId,
      clusterId: this.clusterId,
      settledRangeClaims: this.claims,
      logger: pino({ level: 'silent' }),
      ...options,
    });
    this.#started.push(coordinator);
    return coordinator;
  }

  async closeAll(): Promise<void> {
    await Promise.all(this.#started.splice(0).map(async (coordinator) => coordinator.close()));
  }
}

/** Kafka's form of an id: 16 bytes in base64url. */
export function idOf(number: number): string {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt32BE(number);
  return bytes.toString('base64url');
}

export function extent(file: number, startOffset: bigint, endOffset: bigint): Extent {
  return {
    file,
    startOffset,
    endOffset,
    position: 64 + 1_000 * file,
    bytes: Number(endOffset - startOffset) * 900,
    indexBytes: 37 * 4,
    indexCrc: 0xdead_beef,
    leaderEpoch: 3,
    maxTimestampMs: 1_700_000_000_000n + endOffset,
  };
}

export function segment(id: number, startOffset: bigint, endOffset: bigint): Segment {
  return {
    id: idOf(id),
    baseOffset: startOffset,
    startOffset,
    endOffset,
    bytes: 1_000_000,
    maxTimestampMs: 1_700_000_000_000n,
    createdMs: 1_700_000_100_000,
  };
}

export function partition(number: number, overrides: Partial<PartitionState> = {}): PartitionState {
  return {
    topicId: idOf(7),
    topic: 'orders',
    partition: number,
    cursor: 0n,
    asOf: null,
    leaderEpoch: -1,
    logicalStart: null,
    trimIntent: null,
    consolidatedTo: 0n,
    extents: [],
    segments: [],
    quarantined: [],
    ...overrides,
  };
}

export function stateOf(number: number, partitions: readonly PartitionState[]): GroupState {
  const byKey = new Map(partitions.map((partition) => [partitionKey(partition), partition]));
  return { number, partitions: byKey, files: new Map(), deadSegments: new Map() };
}

/** The partitions of a group as a reader is to see them, by key. */
export function viewsOf(group: number, { partitions }: GroupState): Map<string, PartitionView> {
  const views = new Map<string, PartitionView>();
  for (const [key, { quarantined: _, asOf: _asOf, ...view }] of partitions) {
    views.set(key, { ...view, group });
  }
  return views;
}

/** What Redis has of a group, by key. */
export async function copyOf(
  coordinator: RedisWorkerCoordinator,
  group: number,
): Promise<Map<string, PartitionView>> {
  const views = new Map<string, PartitionView>();
  for await (const view of coordinator.partitionViews(group)) views.set(partitionKey(view), view);
  return views;
}
