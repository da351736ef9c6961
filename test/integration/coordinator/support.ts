/** What the coordinator's tests share: a session to Redis, records, and a bucket in memory. */
import { randomBytes, randomUUID } from 'node:crypto';
import { type Logger, pino } from 'pino';
import { vi } from 'vitest';
import {
  type CoordinatorEvent,
  type FileAnnouncement,
  type MemberRecord,
  RedisCoordinator,
  type RedisCoordinatorOptions,
  type RedisEndpoint,
  type SettledRangeClaims,
  type TopicSource,
} from '../../../coordinator/index.ts';
import { RedisSession } from '../../../coordinator/redis/session.ts';
import { storageError, type TopicRecord } from '../../../storage/index.ts';

/** How long a test waits for what must happen; only a failure takes as long. */
export const PATIENCE = { timeout: 15_000, interval: 10 } as const;
const COMMAND_TIMEOUT_MS = 5_000;

export const silent: Logger = pino({ level: 'silent' });

/** A session for the test's own eyes. */
export async function openSession(url: string): Promise<RedisSession> {
  return RedisSession.open({ kind: 'single', url }, COMMAND_TIMEOUT_MS);
}

/** A cluster id that no other test has. */
export function newClusterId(): string {
  return randomUUID();
}

export function member(memberId: number, overrides: Partial<MemberRecord> = {}): MemberRecord {
  return {
    memberId,
    rack: 'a',
    host: '127.0.0.1',
    bootstrapPort: 19_000 + memberId,
    nodes: [{ brokerId: 1, classicPort: 19_100, disklessPort: 19_200 }],
    startedAtMs: 1_700_000_000_000,
    version: '0.1.0',
    formatLevel: 1,
    ...overrides,
  };
}

export function file(fileId: bigint, overrides: Partial<FileAnnouncement> = {}): FileAnnouncement {
  return {
    fileId,
    bytes: 8_388_608,
    memberId: 1,
    rack: 'a',
    createdMs: 1_700_000_000_000 + Number(fileId % 1000n),
    partitions: [
      { topic: 'orders', partition: 0, batchCount: 3, bytes: 4_000_000 },
      { topic: 'orders', partition: 7, batchCount: 1, bytes: 388_608 },
      { topic: 'clicks', partition: 2, batchCount: 12, bytes: 4_000_000 },
    ],
    ...overrides,
  };
}

export function topic(name: string, overrides: Partial<TopicRecord> = {}): TopicRecord {
  return {
    topicId: randomBytes(16).toString('base64url'),
    name,
    diskless: true,
    configs: { 'diskless.enable': 'true' },
    updatedAtMs: 1_700_000_000_000,
    version: 1,
    ...overrides,
  };
}

/** The topic records of a bucket, which can fail. */
export class MemoryTopics implements TopicSource {
  readonly records = new Map<string, TopicRecord>();
  /** What a listing leaves out, as one that lags does. */
  readonly unlisted = new Set<string>();
  listCount = 0;
  /** Runs before each listing. */
  beforeList: () => Promise<void> = async () => {};
  isFailing = false;

  put(record: TopicRecord): TopicRecord {
    this.records.set(record.topicId, record);
    return record;
  }

  async get(topicId: string): Promise<TopicRecord | undefined> {
    this.#check();
    return this.records.get(topicId);
  }

  async *list(): AsyncIterable<TopicRecord> {
    this.#check();
    this.listCount++;
    await this.beforeList();
    for (const record of this.records.values()) {
      if (!this.unlisted.has(record.topicId)) yield record;
    }
  }

  #check(): void {
    if (this.isFailing) throw storageError('STORAGE_UNAVAILABLE', 'The bucket is down.');
  }
}

/** Ranges claimed in a bucket, which can fail. */
export class MemoryClaims implements SettledRangeClaims {
  last = 0;
  isFailing = false;

  async claim(above: number): Promise<number> {
    if (this.isFailing) throw storageError('STORAGE_UNAVAILABLE', 'The bucket is down.');
    this.last = Math.max(this.last, above) + 1;
    return this.last;
  }
}

/** Lines of the log. */
export class LogLines {
  readonly messages: { readonly level: number; readonly msg: string }[] = [];
  readonly logger: Logger = pino(
    { level: 'info' },
    {
      write: (line: string) => {
        // Pino writes one JSON object a line.
        this.messages.push(JSON.parse(line) as { level: number; msg: string });
      },
    },
  );

  matching(pattern: RegExp): string[] {
    return this.messages.map(({ msg }) => msg).filter((msg) => pattern.test(msg));
  }
}

/** A coordinator that beats fast, and what it was told. */
export interface TestCoordinator {
  readonly coordinator: RedisCoordinator;
  readonly events: CoordinatorEvent[];
  readonly topics: MemoryTopics;
  readonly claims: MemoryClaims;
}

export type TestOptions = Partial<Omit<RedisCoordinatorOptions, 'topicSource'>> & {
  readonly topics?: MemoryTopics;
  readonly claims?: MemoryClaims;
};

/** Starts coordinators and closes them all, in whatever state they are. */
export class Coordinators {
  readonly #endpoint: RedisEndpoint;
  readonly #started: RedisCoordinator[] = [];
  readonly clusterId = newClusterId();

  constructor(url: string) {
    this.#endpoint = { kind: 'single', url };
  }

  async start(options: TestOptions = {}): Promise<TestCoordinator> {
    const { topics = new MemoryTopics(), claims = new MemoryClaims(), tuning, ...rest } = options;
    const coordinator = await RedisCoordinator.start({
      endpoint: this.#endpoint,
      namespace: this.clusterId,
      clusterId: this.clusterId,
      topicSource: topics,
      settledRangeClaims: claims,
      logger: silent,
      ...rest,
      tuning: {
        heartbeatMs: 50,
        memberExpiryMs: 500,
        commandTimeoutMs: 500,
        changesBlockMs: 100,
        startTimeoutMs: 2_000,
        topicLeaseMs: 500,
        ...tuning,
      },
    });
    this.#started.push(coordinator);
    const events: CoordinatorEvent[] = [];
    coordinator.subscribe((event) => events.push(event));
    return { coordinator, events, topics, claims };
  }

  async closeAll(): Promise<void> {
    await Promise.all(this.#started.map(async (coordinator) => coordinator.close()));
  }
}

/** Waits until the check stops throwing. */
export async function eventually<T>(check: () => T | Promise<T>): Promise<T> {
  return vi.waitFor(check, PATIENCE);
}

export function memberIds(coordinator: RedisCoordinator): number[] {
  return coordinator.members().map(({ memberId }) => memberId);
}
