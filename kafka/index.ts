/**
 * The package's public face: Kafka's wire protocol, its messages, a small client, and the record
 * format. Other packages import from here and from nowhere else in this folder.
 */

export { OutriggerError, hasCode } from './outrigger-error.ts';
export type { ErrorContext } from './outrigger-error.ts';
export { KAFKA_ERROR_CODES } from './errors.ts';
export type { KafkaErrorName } from './errors.ts';
export { ApiKey, apiKeyName, isFlexible } from './api-keys.ts';
export type { ApiKeyName } from './api-keys.ts';
export { KafkaErrorCode, isRetriable, kafkaErrorName } from './error-codes.ts';
export type { KafkaErrorCodeName } from './error-codes.ts';

// Wire
export { FrameSplitter } from './wire/frame-splitter.ts';
export {
  LENGTH_BYTES,
  parseRequestHeader,
  parseResponseHeader,
  requestFrame,
  requestHeader,
  requestHeaderVersion,
  responseFrame,
  responseHeader,
  responseHeaderVersion,
  withLength,
} from './wire/frame.ts';
export type { RequestHead, RequestHeader, ResponseHeader } from './wire/frame.ts';
export type { Codec } from './wire/codec-types.ts';
export { ZERO_UUID } from './wire/defaults.ts';
export type { Message, MessageInput, MessageOf } from './wire/message.ts';
export { Reader } from './wire/reader.ts';
export type { BytesInput, RawTag } from './wire/schema.ts';
export { Writer } from './wire/writer.ts';

// Messages
export * from './messages/index.ts';

// Client
export { BrokerConnection } from './client/broker-connection.ts';
export type { ConnectionOptions, VersionRange } from './client/broker-connection.ts';
export { ClusterClient } from './client/cluster-client.ts';
export type { Broker, ClusterClientOptions, ClusterMetadata } from './client/cluster-client.ts';
export type { SaslCredentials } from './client/authenticate.ts';
export * from './client/service-client.ts';
export { openSocket } from './client/open-socket.ts';
export type { Endpoint, TlsOptions } from './client/open-socket.ts';
export type { Requester, RequestOptions } from './client/requester.ts';

// Records
export { buildRecordBatch } from './records/build-record-batch.ts';
export type { RecordBatchHeader } from './records/build-record-batch.ts';
export { BODY_BYTES_MAX, compress, decompress, decompressPrefix } from './records/compression.ts';
export { crc32c, crc32cOfChunks } from './records/crc32c.ts';
export type { Decompressed } from './records/decompressed.ts';
export { RECORDS_ERROR_CODES } from './records/errors.ts';
export type { RecordsErrorCode } from './records/errors.ts';
export {
  buildPlaceholder,
  estimatePlaceholderBytes,
  pointerTo,
  readPlaceholder,
} from './records/placeholder.ts';
export type {
  PlaceholderInput,
  PlaceholderReading,
  ReadPlaceholderInput,
} from './records/placeholder.ts';
export { deleteHorizonOf, emptyBatchOf, filterBatch, scanBatch } from './records/filter-batch.ts';
export type { BatchFilter } from './records/filter-batch.ts';
export { KeyRing } from './records/pointer.ts';
export type { Pointer, TagKey, UnknownPointer } from './records/pointer.ts';
export * from './records/record-batch.ts';
export { RecordScanner, records } from './records/record.ts';
export type { KafkaRecord, RecordHeader } from './records/record.ts';
export { restoreBatch, verifyBatch } from './records/restore-batch.ts';
export { findByTimestamp, findMaxTimestamp } from './records/timestamp-search.ts';
export type { TimestampedOffset } from './records/timestamp-search.ts';
export { validateBatch } from './records/validate-batch.ts';
export type {
  InvalidReason,
  RecordError,
  Validation,
  ValidationRules,
} from './records/validate-batch.ts';
