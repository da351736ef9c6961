/**
 * The contract between a client connection and the handlers of single APIs. A handler looks at one
 * request and says what the broker gets and what becomes of the broker's answer. Order,
 * correlation, back-pressure and closing are the connection's business, not the handler's.
 */
import type { Logger } from 'pino';

/** The bytes of one frame without its length prefix, in as many pieces as is cheap. */
export type Chunks = readonly Buffer[];

/** A request as it arrived; `frame` is its header and body, the body starts at `bodyOffset`. */
export interface ClientRequest {
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly correlationId: number;
  readonly clientId: string | null;
  readonly frame: Buffer;
  readonly bodyOffset: number;
}

/** Which of a member's listeners a client is connected to, and so which broker stands behind it. */
export type Node =
  | { readonly kind: 'bootstrap' }
  | { readonly kind: 'classic'; readonly brokerId: number }
  | { readonly kind: 'diskless'; readonly brokerId: number };

/** What handlers know about the connection that a request came on. */
export interface ConnectionContext {
  readonly node: Node;
  readonly log: Logger;
}

/** What a client is sent. `release` is called once, when the bytes are written or given up. */
export interface Reply {
  readonly chunks: Chunks;
  readonly release?: () => void;
}

/**
 * Turns the broker's answer into the client's; null sends the client nothing. A throw closes the
 * connection, which is what a broker does with what it cannot answer.
 */
export type ReplyRewriter = (frame: Buffer) => Reply | null | Promise<Reply | null>;

/** How a forwarded request ended: only 'lost' leaves open whether the broker acted on it. */
export type ForwardOutcome = 'answered' | 'lost' | 'unsent';

export interface Forward {
  readonly kind: 'forward';
  readonly frame: Chunks;
  /** 'pass' hands the answer on as it is; 'none' says that the broker will not answer. */
  readonly reply: 'pass' | 'none' | ReplyRewriter;
  /** Called exactly once, whatever happens to the connection. */
  readonly ended?: (outcome: ForwardOutcome) => void;
}

/** The broker is not asked; null sends the client nothing. */
export interface Answer {
  readonly kind: 'answer';
  readonly reply: Reply | null;
  /** Whether the connection is closed after it; what was read before is still answered. */
  readonly close?: boolean;
}

export type Handled = Forward | Answer;

export interface RequestHandler {
  /**
   * Called for each request in order of arrival. A promise delays the forwarding of this request
   * and of the later ones on its connection, but not their handling. A throw closes the connection.
   */
  handle(request: ClientRequest, connection: ConnectionContext): Handled | Promise<Handled>;
}

/** Hands a request on untouched, and its answer back. */
export const forwardUntouched: RequestHandler = {
  handle: (request) => ({ kind: 'forward', frame: [request.frame], reply: 'pass' }),
};
