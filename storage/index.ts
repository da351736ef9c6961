/** The storage package's public face: object stores and the format of the files kept in them. */
export * from './bucket-identity.ts';
export * from './errors.ts';
export * from './extent-index.ts';
export * from './file-id.ts';
export * from './fs-object-store.ts';
export * from './group-count.ts';
export { applyEntry } from './journal/apply-entry.ts';
export type { Applied, Refused, RefusalReason } from './journal/apply-entry.ts';
export type { Change, ChangeKind, JournalEntry, Segment } from './journal/entry.ts';
export { EMPTY_STATE, partitionKey } from './journal/group-state.ts';
export type {
  Death,
  DeadSegment,
  Extent,
  FileState,
  GroupState,
  PartitionId,
  PartitionState,
  Quarantine,
} from './journal/group-state.ts';
export { Journal, SNAPSHOT_EVERY_ENTRIES, SNAPSHOTS_KEPT } from './journal/journal.ts';
export type { CommitOptions, CommitOutcome, JournalOptions } from './journal/journal.ts';
export { entryKey, entryPrefix, snapshotKey } from './journal/journal-keys.ts';
export { mayGoOnAfter, prunedTo, pruneJournal } from './journal/prune-journal.ts';
export type { JournalPlace, PruneOptions } from './journal/prune-journal.ts';
export { partitionGroup } from './journal/partition-group.ts';
export * from './json-record.ts';
export {
  MERGED_FILE_BYTES_MAX,
  MERGED_FILE_VERSION,
  parseMergedFile,
  readMergedFooter,
} from './merged-file.ts';
export type { MergedExtent, MergedFileHead, MergedFooter } from './merged-file.ts';
export * from './merged-file-builder.ts';
export * from './object-key.ts';
export * from './object-store.ts';
export * from './open-storage.ts';
export * from './open-store.ts';
export * from './prove-store.ts';
export * from './s3-object-store.ts';
export { StartRequests } from './start-requests.ts';
export type { StartRequest } from './start-requests.ts';
export * from './topic-record.ts';
export * from './wal-file.ts';
export { seekOffset, seekTimestamp } from './segment/batch-search.ts';
export type { BatchSearch } from './segment/batch-search.ts';
export type { LeaderEpoch } from './segment/leader-epochs.ts';
export type { PositionRange } from './segment/offset-index.ts';
export type { ProducerState } from './segment/producer-snapshot.ts';
export { SegmentIndexes } from './segment/segment-indexes.ts';
export { newSegmentId, SEGMENT_PREFIX, segmentKeys } from './segment/segment-keys.ts';
export type { SegmentId, SegmentKeys } from './segment/segment-keys.ts';
export {
  encodeManifest,
  joinIndexes,
  manifestOf,
  parseManifest,
} from './segment/segment-manifest.ts';
export type { IndexPlace, SegmentManifest } from './segment/segment-manifest.ts';
export {
  encodeSegmentState,
  initialSegmentState,
  parseSegmentState,
  withoutEpochsBefore,
  withoutIdleProducers,
} from './segment/segment-state.ts';
export type { SegmentState } from './segment/segment-state.ts';
export { SegmentRewriter } from './segment/segment-rewriter.ts';
export { SegmentWriter } from './segment/segment-writer.ts';
export type {
  FinishedSegment,
  SegmentFiles,
  SegmentWriterOptions,
} from './segment/segment-writer.ts';
export { AbortedSearch } from './segment/transaction-index.ts';
export type { AbortedTransaction } from './segment/transaction-index.ts';
export type { FileSystem } from './file-system.ts';
export type { S3Credentials, S3StoreOptions } from './s3-client.ts';
