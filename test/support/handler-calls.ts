/** Calls of single request handlers, with a broker's answer given as a value. */
import {
  requestHeader,
  responseHeader,
  parseRequestHeader,
  parseResponseHeader,
  type Message,
} from '../../kafka/index.ts';
import type {
  ClientRequest,
  ConnectionContext,
  Handled,
  Node,
  Reply,
  RequestHandler,
} from '../../proxy/connection/handler.ts';
import { quiet } from './proxied-connection.ts';

const CORRELATION_ID = 77;

/** @returns a request as it comes from a client */
export function clientRequest<Input>(
  message: Message<unknown, Input>,
  apiVersion: number,
  body: Input,
  clientId: string | null = 'app',
): ClientRequest {
  const head = { apiKey: message.apiKey, apiVersion, correlationId: CORRELATION_ID, clientId };
  const frame = Buffer.concat([...requestHeader(head), ...message.encode(body, apiVersion)]);
  return { ...parseRequestHeader(frame), frame };
}

/** @returns a request whose body no handler looks at */
export function bodylessRequest(
  apiKey: number,
  apiVersion: number,
  clientId: string | null = 'app',
): ClientRequest {
  const head = { apiKey, apiVersion, correlationId: CORRELATION_ID, clientId };
  const frame = Buffer.concat(requestHeader(head));
  return { ...parseRequestHeader(frame), frame };
}

/** @returns an answer as it comes from a broker */
export function brokerFrame<Input>(
  message: Message<unknown, Input>,
  apiVersion: number,
  body: Input,
): Buffer {
  const header = responseHeader(message.apiKey, apiVersion, CORRELATION_ID);
  return Buffer.concat([...header, ...message.encode(body, apiVersion)]);
}

export function connectionTo(node: Node): ConnectionContext {
  return { node, log: quiet };
}

/** @returns what the handler decides at once */
export function handledAtOnce(
  handler: RequestHandler,
  request: ClientRequest,
  node: Node = { kind: 'bootstrap' },
): Handled {
  const handled = handler.handle(request, connectionTo(node));
  if (handled instanceof Promise) throw new Error('the handler decided later');
  return handled;
}

/** @returns the bytes that the broker gets, or null if it is not asked */
export function forwarded(handled: Handled): Buffer | null {
  return handled.kind === 'forward' ? Buffer.concat(handled.frame) : null;
}

/** @returns the client's answer as bytes, given the broker's */
export async function replyTo(
  handler: RequestHandler,
  request: ClientRequest,
  frame: Buffer,
  node?: Node,
): Promise<Buffer> {
  const handled = handledAtOnce(handler, request, node);
  if (handled.kind !== 'forward') throw new Error('the handler did not forward');
  if (handled.reply === 'pass') return frame;
  if (handled.reply === 'none') throw new Error('the handler expects no answer');
  return bytesOf(await handled.reply(frame));
}

/** @returns the client's answer decoded, given the broker's as a value */
export async function answerTo<Value, Input>(
  handler: RequestHandler,
  message: Message<Value, Input>,
  request: ClientRequest,
  body: Input,
  node?: Node,
): Promise<Value> {
  const frame = brokerFrame(message, request.apiVersion, body);
  return decoded(message, request.apiVersion, await replyTo(handler, request, frame, node));
}

/** @returns the body of an answer, whose correlation id must be the request's */
export function decoded<Value>(message: Message<Value>, apiVersion: number, frame: Buffer): Value {
  const header = parseResponseHeader(frame, message.apiKey, apiVersion);
  if (header.correlationId !== CORRELATION_ID) throw new Error('the correlation id is lost');
  return message.decode(frame, apiVersion, header.bodyOffset);
}

export function bytesOf(reply: Reply | null): Buffer {
  if (reply === null) throw new Error('there is no answer');
  return Buffer.concat([...reply.chunks]);
}
