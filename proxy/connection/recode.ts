/**
 * Frames for handlers that change a message: the header stays as it came, the body is encoded anew.
 */
import { parseResponseHeader, responseHeader, type Message } from '../../kafka/index.ts';
import type { Chunks, ClientRequest, Reply } from './handler.ts';

/** @returns the body of a request, its byte fields as views of the frame */
export function decodeRequest<Value>(message: Message<Value>, request: ClientRequest): Value {
  return message.decode(request.frame, request.apiVersion, request.bodyOffset);
}

/**
 * @returns the request without its body, in memory of its own: what is kept until the broker
 *   answers must not hold on to bytes that count as free once they are forwarded
 */
export function headOf(request: ClientRequest): ClientRequest {
  return { ...request, frame: Buffer.from(request.frame.subarray(0, request.bodyOffset)) };
}

/** @returns the frame that the broker gets instead of the client's */
export function changedRequest<Input>(
  message: Message<unknown, Input>,
  request: ClientRequest,
  body: Input,
): Chunks {
  const header = request.frame.subarray(0, request.bodyOffset);
  return [header, ...message.encode(body, request.apiVersion)];
}

/** A broker's answer, taken apart. */
export interface DecodedReply<Value> {
  readonly body: Value;
  /** Its header, a view of the frame. */
  readonly header: Buffer;
}

/**
 * @param request what the broker answered
 * @param frame its answer
 */
export function decodeReply<Value>(
  message: Message<Value>,
  request: ClientRequest,
  frame: Buffer,
): DecodedReply<Value> {
  const { bodyOffset } = parseResponseHeader(frame, request.apiKey, request.apiVersion);
  const body = message.decode(frame, request.apiVersion, bodyOffset);
  return { body, header: frame.subarray(0, bodyOffset) };
}

/** @returns the broker's answer with another body */
export function changedReply<Input>(
  message: Message<unknown, Input>,
  request: ClientRequest,
  header: Buffer,
  body: Input,
): Reply {
  return { chunks: [header, ...message.encode(body, request.apiVersion)] };
}

/** @returns an answer of our own */
export function ownReply<Input>(
  message: Message<unknown, Input>,
  request: ClientRequest,
  body: Input,
): Reply {
  const { apiKey, apiVersion, correlationId } = request;
  const header = responseHeader(apiKey, apiVersion, correlationId);
  return { chunks: [...header, ...message.encode(body, apiVersion)] };
}
