/**
 * The records inside a v2 batch's decompressed body (`DefaultRecord`). `RecordScanner` walks them
 * without allocating; `records` is the comfortable form for workers and tests. Both check every
 * length against the bytes there are, and refuse what Kafka refuses. Keys, values and headers are
 * views: whoever keeps one copies it.
 */

import { recordsError } from './errors.ts';
import { VarintCursor } from './varint.ts';

export interface RecordHeader {
  readonly key: Buffer;
  readonly value: Buffer | null;
}

export interface KafkaRecord {
  /** From the batch's base offset. */
  readonly offsetDelta: number;
  /** From the batch's base timestamp, ms; exact if it is a safe integer. */
  readonly timestampDelta: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly RecordHeader[];
}

/** Walks a body record by record; its fields describe the record that `next` came to. */
export class RecordScanner {
  readonly #cursor: VarintCursor;
  readonly body: Buffer;
  /** Where the record begins, with the length before it. */
  recordAt = 0;
  /** Where the next one begins. */
  recordEnd = 0;
  /** Where its offset delta begins, behind the timestamp delta. */
  offsetDeltaAt = 0;
  offsetDelta = 0;
  /** Milliseconds; exact if it is a safe integer. */
  timestampDelta = 0;
  keyAt = 0;
  /** Negative if the key is null. */
  keyBytes = -1;
  valueAt = 0;
  /** Negative if the value is null. */
  valueBytes = -1;
  headersAt = 0;
  headerCount = 0;

  /**
   * @param body decompressed records
   * @param at where the first record begins
   */
  constructor(body: Buffer, at = 0) {
    this.body = body;
    this.#cursor = new VarintCursor(body, at, body.length);
  }

  /** @returns whether every byte of the body was read */
  get atEnd(): boolean {
    return this.#cursor.at === this.body.length;
  }

  /**
   * Moves to the next record and checks all of its structure, headers included.
   *
   * @throws KAFKA_BATCH_CORRUPT if there is none or it is malformed
   */
  next(): void {
    const cursor = this.#cursor;
    this.recordAt = cursor.at;
    const bytes = cursor.readVarint();
    const end = cursor.at + bytes;
    this.recordEnd = end;
    if (bytes < 0 || end > this.body.length) throw malformed('a record exceeds its batch');
    cursor.at += 1; // The record's attributes: none is assigned.
    this.timestampDelta = cursor.readVarlong();
    this.offsetDeltaAt = cursor.at;
    this.offsetDelta = cursor.readVarint();
    this.keyBytes = cursor.readVarint();
    this.keyAt = cursor.at;
    skip(cursor, this.keyBytes, end);
    this.valueBytes = cursor.readVarint();
    this.valueAt = cursor.at;
    skip(cursor, this.valueBytes, end);
    this.headerCount = cursor.readVarint();
    this.headersAt = cursor.at;
    if (this.headerCount !== 0) skipHeaders(cursor, this.headerCount, end);
    if (cursor.at !== end) throw malformed('a record is not as long as it says');
  }
}

/**
 * @param body decompressed records of one batch
 * @param count how many there are, from the batch header
 * @returns the records, lazily
 * @throws KAFKA_BATCH_CORRUPT while iterating, unless the body is exactly `count` good records
 */
export function* records(body: Buffer, count: number): Generator<KafkaRecord> {
  const scanner = new RecordScanner(body);
  for (let index = 0; index < count; index++) {
    scanner.next();
    yield {
      offsetDelta: scanner.offsetDelta,
      timestampDelta: scanner.timestampDelta,
      key: view(body, scanner.keyAt, scanner.keyBytes),
      value: view(body, scanner.valueAt, scanner.valueBytes),
      headers: readHeaders(scanner),
    };
  }
  if (!scanner.atEnd) throw malformed('bytes are left after the last record');
}

function readHeaders(scanner: RecordScanner): RecordHeader[] {
  const { body, headerCount } = scanner;
  const cursor = new VarintCursor(body, scanner.headersAt, body.length);
  return Array.from({ length: headerCount }, () => {
    const keyBytes = cursor.readVarint();
    const key = body.subarray(cursor.at, (cursor.at += keyBytes));
    const valueBytes = cursor.readVarint();
    const value = view(body, cursor.at, valueBytes);
    cursor.at += Math.max(valueBytes, 0);
    return { key, value };
  });
}

function skipHeaders(cursor: VarintCursor, count: number, end: number): void {
  if (count < 0 || count > end - cursor.at) throw malformed('an impossible number of headers');
  for (let index = 0; index < count; index++) {
    const keyBytes = cursor.readVarint();
    if (keyBytes < 0) throw malformed('a header without a key');
    skip(cursor, keyBytes, end);
    skip(cursor, cursor.readVarint(), end);
  }
}

function skip(cursor: VarintCursor, bytes: number, end: number): void {
  if (bytes <= 0) return;
  if (bytes > end - cursor.at) throw malformed('a field exceeds its record');
  cursor.at += bytes;
}

function view(body: Buffer, at: number, bytes: number): Buffer | null {
  return bytes < 0 ? null : body.subarray(at, at + bytes);
}

function malformed(what: string): Error {
  return recordsError('KAFKA_BATCH_CORRUPT', `malformed record: ${what}`);
}
