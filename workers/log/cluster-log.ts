/**
 * What workers ask of the brokers' logs, on Outrigger's own principal. Every answer comes from the
 * partition's leader under a leader epoch that the caller knows, or is no answer: a follower that
 * lags, or a leader that was deposed, is never believed.
 */

/** A partition, by both of its topic's names: which is used depends on the broker's version. */
export interface LogPartition {
  readonly topicId: string;
  readonly topic: string;
  readonly partition: number;
}

export interface PartitionLeader extends LogPartition {
  /** -1 while the partition has no leader. */
  readonly brokerId: number;
  readonly leaderEpoch: number;
}

export interface LogTopic {
  readonly topicId: string;
  readonly topic: string;
  readonly partitions: readonly PartitionLeader[];
}

/** Where a log ended when its leader was asked: everything appended before lies below. */
export interface LogEnd extends PartitionLeader {
  readonly endOffset: bigint;
  /**
   * Whether every broker named this leader afterwards: a newer one, who appends, is among them. A
   * majority may have missed an election together with the leader that was deposed.
   */
  readonly isNamedByAll: boolean;
}

export interface LogRead {
  /** Whole batches as they are in the log, placeholders among them; the first may begin earlier. */
  readonly batches: readonly Buffer[];
  readonly highWatermark: bigint;
  readonly lastStableOffset: bigint;
  readonly logStartOffset: bigint;
}

export type ReadOutcome =
  | ({ readonly kind: 'read' } & LogRead)
  /** The log does not have the offset. */
  | { readonly kind: 'out-of-range' }
  /** KIP-595: the log has another history; the last epoch that both have ends there. */
  | { readonly kind: 'diverged'; readonly epoch: number; readonly endOffset: bigint }
  /** No leader, another one than was named, or one that cannot be reached: look again later. */
  | { readonly kind: 'not-leader' };

export interface ReadRequest {
  readonly leader: PartitionLeader;
  readonly offset: bigint;
  /** Of the batch before the offset, to notice another history; -1 for unknown. */
  readonly lastFetchedEpoch: number;
  /** At least one batch is given, whatever its size. */
  readonly bytesMax: number;
}

export interface ClusterLog {
  /**
   * Topics of the cluster by name; those that do not exist are not in the answer.
   *
   * @throws `WORKER_LOG_DENIED`, and what a client throws that reaches no broker
   */
  topics(names: readonly string[]): Promise<ReadonlyMap<string, LogTopic>>;

  /**
   * The log ends, by `partitionKey`: ListOffsets with a replica id, so the leader's log end and not
   * the high watermark, and believed only where a majority of the brokers name the same leader and
   * epoch afterwards. Partitions without such an answer are not in it.
   */
  logEnds(leaders: readonly PartitionLeader[]): Promise<ReadonlyMap<string, LogEnd>>;

  /**
   * The high watermarks, by `partitionKey`, asked of the leaders. Partitions whose leader does not
   * answer, or is another one than was named, are not in it.
   */
  highWatermarks(leaders: readonly PartitionLeader[]): Promise<ReadonlyMap<string, bigint>>;

  /**
   * Where the logs begin, by `partitionKey`, asked of the leaders. Partitions whose leader does not
   * answer, or is another one than was named, are not in it.
   */
  logStarts(leaders: readonly PartitionLeader[]): Promise<ReadonlyMap<string, bigint>>;

  /**
   * Which of these, by topic name, every live broker denies: it knows no topic of the name, or one
   * with fewer partitions. Those about which one broker is silent are not in it.
   *
   * @returns `topic/partition` of each
   */
  absentPartitions(
    partitions: readonly Omit<LogPartition, 'topicId'>[],
  ): Promise<ReadonlySet<string>>;

  /** One partition's log from an offset on, up to the high watermark. */
  read(request: ReadRequest): Promise<ReadOutcome>;

  /**
   * Asks the leader to delete what is below the offset.
   *
   * @returns the log start afterwards
   * @throws `WORKER_LOG_DENIED`, `WORKER_LOG_UNREADABLE`, or what a client throws
   */
  deleteRecords(leader: PartitionLeader, offset: bigint): Promise<bigint>;

  /**
   * @returns the lowest start offset of the share groups that read it, undefined without any
   * @throws unless every broker has said which groups it coordinates
   */
  shareGroupStart(partition: LogPartition): Promise<bigint | undefined>;

  /**
   * @returns of these topics, by id, what every live broker says: `present` if one knows the id,
   *   `absent` if all of them deny it, `unknown` otherwise
   */
  topicPresence(
    topicIds: readonly string[],
  ): Promise<ReadonlyMap<string, 'present' | 'absent' | 'unknown'>>;
}
