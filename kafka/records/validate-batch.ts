/**
 * Checks a client's batch as the broker would, which sees only the placeholder later: Kafka's
 * `ProduceRequest.validateRecords`, `UnifiedLog.analyzeAndValidateRecords` and `LogValidator`, in
 * their order. One pass, nothing allocated per record.
 *
 * Three outcomes: `valid` may become a placeholder, `invalid` is what Kafka refuses, and
 * `unchecked` is a batch that is not refused here but must go to the broker as it is, either
 * because it cannot be judged within bounds, or because the broker would store something other than
 * what came in, which a placeholder could not tell.
 */

import { KafkaErrorCode } from '../error-codes.ts';
import { hasCode } from '../outrigger-error.ts';
import { BODY_BYTES_MAX, decompress } from './compression.ts';
import {
  BATCH_HEADER_BYTES,
  CODEC,
  MAGIC_V2,
  baseOffset,
  baseSequence,
  baseTimestamp,
  batchAttributes,
  batchBytes,
  batchCrc,
  batchMagic,
  codecOf,
  computeBatchCrc,
  hasDeleteHorizon,
  isControl,
  isLogAppendTime,
  lastOffsetDelta,
  producerId,
  recordCount,
} from './record-batch.ts';
import { RecordScanner } from './record.ts';

/** What the topic's settings, the request and the clock say. */
export interface ValidationRules {
  /** `max.message.bytes`. */
  readonly maxMessageBytes: number;
  /** Whether `cleanup.policy` contains `compact`. */
  readonly keyRequired: boolean;
  /** `message.timestamp.type`. */
  readonly timestampType: 'CreateTime' | 'LogAppendTime';
  /** `message.timestamp.before.max.ms`. */
  readonly timestampBeforeMaxMs: number;
  /** `message.timestamp.after.max.ms`. */
  readonly timestampAfterMaxMs: number;
  readonly nowMs: number;
  readonly produceVersion: number;
}

export type InvalidReason =
  | 'codec-too-new'
  | 'base-offset'
  | 'too-large'
  | 'checksum'
  | 'offset-range'
  | 'control'
  | 'sequence'
  | 'malformed'
  | 'key-missing'
  | 'timestamp';

/** As a Produce response carries it from v8 on (KIP-467). */
export interface RecordError {
  /** Which record of the batch, from 0. */
  readonly batchIndex: number;
  readonly message: string;
}

export type Validation =
  /** `maxTimestamp` is the records' largest, as the broker would store it; the header may lie. */
  | { readonly kind: 'valid'; readonly maxTimestamp: bigint }
  | InvalidBatch
  | { readonly kind: 'unchecked'; readonly why: string };

export interface InvalidBatch {
  readonly kind: 'invalid';
  readonly reason: InvalidReason;
  /** Kafka's. */
  readonly errorCode: number;
  readonly message: string;
  readonly recordErrors: readonly RecordError[];
}

/** The first Produce version that may carry zstd (KIP-110). */
const PRODUCE_VERSION_ZSTD = 7;
/** A timestamp that the client did not set. */
const NO_TIMESTAMP = -1n;
const NO_PRODUCER_ID = -1n;
/** Beyond, and before 1970, Kafka's own arithmetic overflows. */
const BASE_TIMESTAMP_MAX = 2n ** 62n;
/** Kafka lists every bad record; so many are enough for a client to find its mistake. */
const RECORD_ERRORS_MAX = 1000;

/**
 * @param batch the records field of one partition of a Produce request
 * @param rules what to judge it by
 */
export function validateBatch(batch: Buffer, rules: ValidationRules): Validation {
  if (!isSingleBatch(batch)) return unchecked('not a single v2 batch');
  const attributes = batchAttributes(batch);
  if (codecOf(attributes) > CODEC.zstd) return unchecked('the codec is not assigned');
  const invalid = checkHeader(batch, rules);
  if (invalid !== undefined) return invalid;
  const oddity = oddityOf(batch);
  if (oddity !== undefined) return unchecked(oddity);
  const body = decompress(codecOf(attributes), batch.subarray(BATCH_HEADER_BYTES), BODY_BYTES_MAX);
  if (body.kind !== 'body') return unchecked(`compressed records: ${body.kind}`);
  try {
    return checkRecords(batch, body.body, rules);
  } catch (error) {
    if (!hasCode(error, 'KAFKA_BATCH_CORRUPT')) throw error;
    // Kafka skips over the fields of compressed records without comparing them to their lengths.
    if (codecOf(attributes) !== CODEC.none) return unchecked(error.message);
    return refused('malformed', KafkaErrorCode.INVALID_RECORD, error.message);
  }
}

function isSingleBatch(batch: Buffer): boolean {
  if (batch.length < BATCH_HEADER_BYTES || batchMagic(batch) !== MAGIC_V2) return false;
  return batchBytes(batch) === batch.length;
}

/** What no known client sends, and no placeholder can stand for. */
function oddityOf(batch: Buffer): string | undefined {
  const attributes = batchAttributes(batch);
  if (isLogAppendTime(attributes)) return 'only brokers set a timestamp type';
  if (hasDeleteHorizon(attributes)) return 'only brokers set a delete horizon';
  const base = baseTimestamp(batch);
  if (base < NO_TIMESTAMP || base > BASE_TIMESTAMP_MAX) return 'a timestamp that overflows';
  return undefined;
}

function checkHeader(batch: Buffer, rules: ValidationRules): InvalidBatch | undefined {
  const attributes = batchAttributes(batch);
  if (codecOf(attributes) === CODEC.zstd && rules.produceVersion < PRODUCE_VERSION_ZSTD) {
    const message = `Produce v${rules.produceVersion} may not carry ZStandard`;
    return refused('codec-too-new', KafkaErrorCode.UNSUPPORTED_COMPRESSION_TYPE, message);
  }
  if (baseOffset(batch) !== 0n) {
    return refused('base-offset', KafkaErrorCode.INVALID_RECORD, 'The base offset must be 0');
  }
  if (batch.length > rules.maxMessageBytes) {
    const message = `The record batch size is ${batch.length} bytes, more than max.message.bytes`;
    return refused('too-large', KafkaErrorCode.MESSAGE_TOO_LARGE, message);
  }
  if (computeBatchCrc(batch, 0, batch.length) !== batchCrc(batch)) {
    const message = 'The checksum of the batch is wrong';
    return refused('checksum', KafkaErrorCode.CORRUPT_MESSAGE, message);
  }
  const count = recordCount(batch);
  if (count <= 0 || lastOffsetDelta(batch) !== count - 1) {
    const message = `Inconsistent offset range and count of records ${count}`;
    return refused('offset-range', KafkaErrorCode.INVALID_RECORD, message);
  }
  if (isControl(attributes)) {
    const message = 'Clients are not allowed to write control records';
    return refused('control', KafkaErrorCode.INVALID_RECORD, message);
  }
  if (producerId(batch) > NO_PRODUCER_ID && baseSequence(batch) < 0) {
    const message = `Invalid sequence number ${baseSequence(batch)} of an idempotent producer`;
    return refused('sequence', KafkaErrorCode.INVALID_RECORD, message);
  }
  return undefined;
}

/**
 * @throws KAFKA_BATCH_CORRUPT if the body is not exactly as many good records as the header says
 */
function checkRecords(batch: Buffer, body: Buffer, rules: ValidationRules): Validation {
  const count = recordCount(batch);
  const range = timestampRange(baseTimestamp(batch), rules);
  const scanner = new RecordScanner(body);
  let isSequential = true;
  let problemCount = 0;
  let deltaMin = Infinity;
  let deltaMax = -Infinity;
  for (let index = 0; index < count; index++) {
    scanner.next();
    const delta = scanner.timestampDelta;
    if (delta < deltaMin) deltaMin = delta;
    if (delta > deltaMax) deltaMax = delta;
    if (scanner.offsetDelta !== index) isSequential = false;
    if (isKeyMissing(scanner, rules) || isOutOfRange(delta, range)) problemCount++;
  }
  if (!scanner.atEnd) {
    const message = 'Incorrect declared batch size, records still remaining';
    return refused('malformed', KafkaErrorCode.INVALID_RECORD, message);
  }
  if (!Number.isSafeInteger(deltaMin) || !Number.isSafeInteger(deltaMax)) {
    return unchecked('timestamps too far apart');
  }
  if (problemCount > 0) return refusedRecords(body, problemCount, range, rules);
  if (!isSequential) return unchecked('offset deltas are not sequential');
  // The placeholder's records have the base timestamp and the maximum: the real ones must have both
  // in their range, or the broker would judge by timestamps that no record has.
  if (deltaMin > 0 || deltaMax < 0) return unchecked('no record has the base timestamp');
  return { kind: 'valid', maxTimestamp: range.base + BigInt(deltaMax) };
}

/** Which timestamp deltas the topic takes. */
interface TimestampRange {
  readonly base: bigint;
  readonly deltaMin: number;
  readonly deltaMax: number;
  /** The delta of a record without a timestamp. */
  readonly absentDelta: number;
}

function timestampRange(base: bigint, rules: ValidationRules): TimestampRange {
  const absentDelta = Number(NO_TIMESTAMP - base);
  if (rules.timestampType === 'LogAppendTime') {
    return { base, deltaMin: -Infinity, deltaMax: Infinity, absentDelta };
  }
  const nowDelta = Number(BigInt(rules.nowMs) - base);
  const deltaMin = nowDelta - rules.timestampBeforeMaxMs;
  return { base, deltaMin, deltaMax: nowDelta + rules.timestampAfterMaxMs, absentDelta };
}

function isOutOfRange(delta: number, range: TimestampRange): boolean {
  return (delta < range.deltaMin || delta > range.deltaMax) && delta !== range.absentDelta;
}

function isKeyMissing(scanner: RecordScanner, rules: ValidationRules): boolean {
  return rules.keyRequired && scanner.keyBytes < 0;
}

/** Goes over the records once more, because only now is it worth to say what is wrong with each. */
function refusedRecords(
  body: Buffer,
  problemCount: number,
  range: TimestampRange,
  rules: ValidationRules,
): InvalidBatch {
  const errors: RecordError[] = [];
  const scanner = new RecordScanner(body);
  let isTimestampWrong = false;
  const errorsMax = Math.min(problemCount, RECORD_ERRORS_MAX);
  for (let batchIndex = 0; errors.length < errorsMax; batchIndex++) {
    scanner.next();
    if (isKeyMissing(scanner, rules)) {
      errors.push({ batchIndex, message: 'Compacted topic cannot accept message without key' });
    } else if (isOutOfRange(scanner.timestampDelta, range)) {
      isTimestampWrong = true;
      errors.push({ batchIndex, message: timestampMessage(scanner, range, rules) });
    }
  }
  if (isTimestampWrong) {
    const message = 'One or more records have been rejected due to invalid timestamp';
    return refused('timestamp', KafkaErrorCode.INVALID_TIMESTAMP, message, errors);
  }
  const message = `${problemCount} records have been rejected for want of a key`;
  return refused('key-missing', KafkaErrorCode.INVALID_RECORD, message, errors);
}

function timestampMessage(
  scanner: RecordScanner,
  range: TimestampRange,
  rules: ValidationRules,
): string {
  const earliest = rules.nowMs - rules.timestampBeforeMaxMs;
  const latest = rules.nowMs + rules.timestampAfterMaxMs;
  const timestamp = range.base + BigInt(scanner.timestampDelta);
  return `Timestamp ${timestamp} is out of range: it should be within [${earliest}, ${latest}]`;
}

function refused(
  reason: InvalidReason,
  errorCode: number,
  message: string,
  recordErrors: readonly RecordError[] = [],
): InvalidBatch {
  return { kind: 'invalid', reason, errorCode, message, recordErrors };
}

function unchecked(why: string): Validation {
  return { kind: 'unchecked', why };
}
