/**
 * What stands around a message: the four bytes of length, and the request and response headers. It
 * promises the right header version for every API of Kafka 3.7 to 4.3, also for those whose
 * messages this package does not know.
 */

import { ApiKey, isFlexible } from '../api-keys.ts';
import type { Message } from './message.ts';
import { Reader } from './reader.ts';
import { TAGGED_FIELDS_MAX } from './tag-section.ts';
import { malformed, within } from './wire-error.ts';
import { Writer } from './writer.ts';

/** Bytes of the length in front of every frame. */
export const LENGTH_BYTES = 4;

export interface RequestHead {
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly correlationId: number;
  readonly clientId: string | null;
}

export interface RequestHeader extends RequestHead {
  /** Where the body starts in the frame. */
  readonly bodyOffset: number;
}

export interface ResponseHeader {
  readonly correlationId: number;
  /** Where the body starts in the frame. */
  readonly bodyOffset: number;
}

/** Version 2 has tagged fields, version 1 a client id, version 0 neither. */
export function requestHeaderVersion(apiKey: number, apiVersion: number): 0 | 1 | 2 {
  if (apiKey === ApiKey.ControlledShutdown && apiVersion === 0) return 0;
  return isFlexible(apiKey, apiVersion) ? 2 : 1;
}

/** Version 1 has tagged fields. ApiVersions never has them, so that any client can read it. */
export function responseHeaderVersion(apiKey: number, apiVersion: number): 0 | 1 {
  if (apiKey === ApiKey.ApiVersions) return 0;
  return isFlexible(apiKey, apiVersion) ? 1 : 0;
}

/**
 * @param frame a request without its length
 * @returns the header; its tagged fields are skipped
 * @throws KAFKA_FRAME_MALFORMED
 */
export function parseRequestHeader(frame: Buffer): RequestHeader {
  const reader = new Reader(frame);
  try {
    const apiKey = reader.int16();
    const apiVersion = reader.int16();
    const correlationId = reader.int32();
    const headerVersion = requestHeaderVersion(apiKey, apiVersion);
    const clientId = headerVersion === 0 ? null : readClientId(reader);
    if (headerVersion === 2) skipTags(reader);
    return { apiKey, apiVersion, correlationId, clientId, bodyOffset: reader.position };
  } catch (error) {
    throw within(error, 'request header');
  }
}

/**
 * @param frame a response without its length
 * @param apiKey of the request that it answers
 * @param apiVersion of the request that it answers
 * @throws KAFKA_FRAME_MALFORMED
 */
export function parseResponseHeader(
  frame: Buffer,
  apiKey: number,
  apiVersion: number,
): ResponseHeader {
  const reader = new Reader(frame);
  try {
    const correlationId = reader.int32();
    if (responseHeaderVersion(apiKey, apiVersion) === 1) skipTags(reader);
    return { correlationId, bodyOffset: reader.position };
  } catch (error) {
    throw within(error, 'response header');
  }
}

/** @returns a request header, without tagged fields */
export function requestHeader(head: RequestHead): Buffer[] {
  const headerVersion = requestHeaderVersion(head.apiKey, head.apiVersion);
  const writer = new Writer();
  writer.int16(head.apiKey);
  writer.int16(head.apiVersion);
  writer.int32(head.correlationId);
  if (headerVersion > 0) {
    // The client id keeps its old form in version 2 too: it is read before the version is known.
    if (head.clientId === null) writer.int16(-1);
    else writer.utf8(head.clientId, (target, bytes) => target.int16(bytes));
  }
  if (headerVersion === 2) writer.uvarint(0);
  return writer.chunks();
}

/** @returns a response header, without tagged fields */
export function responseHeader(
  apiKey: number,
  apiVersion: number,
  correlationId: number,
): Buffer[] {
  const writer = new Writer();
  writer.int32(correlationId);
  if (responseHeaderVersion(apiKey, apiVersion) === 1) writer.uvarint(0);
  return writer.chunks();
}

/**
 * @param chunks a request or response with its header, left as they are
 * @returns the same behind their length, ready for the socket
 */
export function withLength(chunks: readonly Buffer[]): Buffer[] {
  const length = Buffer.allocUnsafe(LENGTH_BYTES);
  length.writeInt32BE(chunks.reduce((total, chunk) => total + chunk.length, 0));
  return [length, ...chunks];
}

/**
 * @param message the request
 * @param head version, correlation id and client id; the API is the message's
 * @param value the body
 * @returns the whole frame with its length
 * @throws KAFKA_VALUE_INVALID, KAFKA_VERSION_UNSUPPORTED
 */
export function requestFrame<Input>(
  message: Message<unknown, Input>,
  head: Omit<RequestHead, 'apiKey'>,
  value: Input,
): Buffer[] {
  const body = message.encode(value, head.apiVersion);
  return withLength([...requestHeader({ ...head, apiKey: message.apiKey }), ...body]);
}

/**
 * @param message the response
 * @param head version and correlation id of the request
 * @param value the body
 * @returns the whole frame with its length
 * @throws KAFKA_VALUE_INVALID, KAFKA_VERSION_UNSUPPORTED
 */
export function responseFrame<Input>(
  message: Message<unknown, Input>,
  head: Pick<RequestHead, 'apiVersion' | 'correlationId'>,
  value: Input,
): Buffer[] {
  const { apiVersion, correlationId } = head;
  const header = responseHeader(message.apiKey, apiVersion, correlationId);
  return withLength([...header, ...message.encode(value, apiVersion)]);
}

function readClientId(reader: Reader): string | null {
  const start = reader.position;
  const length = reader.int16();
  if (length < -1) throw malformed(`length ${length}`, start);
  return length === -1 ? null : reader.utf8(length);
}

function skipTags(reader: Reader): void {
  const start = reader.position;
  const count = reader.uvarint();
  if (count > TAGGED_FIELDS_MAX) throw malformed(`${count} tagged fields`, start);
  for (let index = 0; index < count; index++) {
    reader.uvarint();
    reader.skip(reader.uvarint());
  }
}
