/**
 * What a member asks of the state that all members share: who is alive, which topics are marked,
 * which files exist, and what just changed. Two implementations keep the promises below:
 * `RedisCoordinator`, and `SoloCoordinator` for a lone member without Redis.
 *
 * No call delays or fails a produce or a tail read. What is announced goes into a bounded buffer
 * and is sent when Redis answers; what is asked is answered from memory, last known first. Nothing
 * here is the only place of a fact: the log says what was produced and the bucket what became of
 * it.
 */
import type { TopicRecord } from '../storage/index.ts';

/** The diskless and the classic node that a member runs for one real broker. */
export interface MemberNode {
  readonly brokerId: number;
  readonly classicPort: number;
  readonly disklessPort: number;
}

/** A running proxy, as the other members need to know it. */
export interface MemberRecord {
  /** 0 to 2045 and unique among live members: node ids are made of it. */
  readonly memberId: number;
  readonly rack: string;
  /** The name that clients connect to. */
  readonly host: string;
  readonly bootstrapPort: number;
  readonly nodes: readonly MemberNode[];
  /** By the member's own clock. */
  readonly startedAtMs: number;
  /** The program's version, for operators. */
  readonly version: string;
  /** The newest feature level of the formats that the member can read and write. */
  readonly formatLevel: number;
}

export type JoinOutcome =
  | { readonly kind: 'joined' }
  /** Another live process has the member id. The caller must not serve under it. */
  | { readonly kind: 'conflict'; readonly other: MemberRecord }
  /** Redis does not answer. Heartbeats join later; a conflict is then a `member-conflict` event. */
  | { readonly kind: 'deferred' };

/** What one WAL file holds of one partition. */
export interface FilePartition {
  /** By name: a proxy with stale metadata may not know that a topic was re-created. */
  readonly topic: string;
  readonly partition: number;
  readonly batchCount: number;
  readonly bytes: number;
}

/** A WAL file that is now in the bucket. */
export interface FileAnnouncement {
  readonly fileId: bigint;
  /** Size of the whole object. */
  readonly bytes: number;
  readonly memberId: number;
  readonly rack: string;
  /** By the writer's clock: it orders files and dates them for operators. */
  readonly createdMs: number;
  readonly partitions: readonly FilePartition[];
}

/** What other members learn of a new file: enough to fetch it before a consumer asks. */
export type FileHint = Pick<FileAnnouncement, 'fileId' | 'bytes' | 'memberId' | 'rack'>;

/**
 * Events are hints to look again. One may be repeated; after a gap there is `refreshed` instead.
 */
export type CoordinatorEvent =
  /** Someone came, left, expired or changed its record: see `members()`. */
  | { readonly kind: 'members-changed' }
  | { readonly kind: 'topic-changed'; readonly record: TopicRecord }
  | { readonly kind: 'topic-removed'; readonly topicId: string }
  /** Another member's file is in the bucket. */
  | { readonly kind: 'file-announced'; readonly file: FileHint }
  /** Data of the partition group's partitions is in other files now, or starts moved. */
  | { readonly kind: 'group-moved'; readonly group: number }
  /** Events may have been missed: read `members()` and `topics()` again. */
  | { readonly kind: 'refreshed' }
  /**
   * Another live process took this member's id while Redis was away. This one must stop serving.
   */
  | { readonly kind: 'member-conflict'; readonly other: MemberRecord };

/** A listener must not throw; what it throws all the same is logged. */
export type CoordinatorListener = (event: CoordinatorEvent) => void;

/** For health checks and metrics. */
export interface CoordinatorStatus {
  readonly mode: 'solo' | 'redis';
  /** Whether every part that talks to Redis succeeded when it last tried. */
  readonly connected: boolean;
  /** When Redis last answered, by the member's clock. */
  readonly lastContactMs: number | undefined;
  /** Set while Redis answers but may not be used: wrong version, policy or cluster. */
  readonly refusal: { readonly code: string; readonly message: string } | undefined;
  /** Announcements that wait for Redis. */
  readonly bufferedCount: number;
  readonly bufferedBytes: number;
  /** Announcements given up since the start: the buffer was full, or Redis keeps no more files. */
  readonly droppedCount: number;
}

export interface Coordinator {
  /**
   * Makes this process a member and keeps it one by heartbeats. Waits out the expiry of a member
   * that died under the same id, so a restart after a crash may take a few seconds.
   */
  join(self: MemberRecord): Promise<JoinOutcome>;

  /**
   * Replaces this member's record, for instance after brokers came or went. Without effect unless
   * joined.
   */
  update(self: MemberRecord): void;

  /** Removes this member at once, for a graceful drain. Never fails; bounded in time. */
  leave(): Promise<void>;

  /** The members last known to be alive, by member id; this one is among them once it joined. */
  members(): readonly MemberRecord[];

  /** Tells that a file is in the bucket. The record is kept until its settlement has arrived. */
  announceFile(file: FileAnnouncement): void;

  /**
   * Tells that the broker has answered for every placeholder of the file that was sent. Counted
   * once, whatever is repeated. Harmless for a file whose announcement was lost: it then counts as
   * never settled, and the workers keep it the longer.
   */
  settleFile(fileId: bigint): void;

  /** Tells of a topic record that the caller has just written to the bucket. */
  publishTopic(record: TopicRecord): void;

  /** Tells of a topic record that the caller has just removed from the bucket. */
  removeTopic(topicId: string): void;

  /** The last known topic records, by topic id. A live view: do not keep it over an `await`. */
  topics(): ReadonlyMap<string, TopicRecord>;

  /** @returns a function that ends the subscription */
  subscribe(listener: CoordinatorListener): () => void;

  status(): CoordinatorStatus;

  /** Sends what is buffered if that takes no longer than one command may, then hangs up. */
  close(): Promise<void>;
}
