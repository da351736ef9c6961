/**
 * One client connection and the one broker connection behind it, so that the broker sees the
 * client's own principal. Requests are forwarded in order of arrival, answers leave in order of the
 * requests, and what a handler holds back holds back what came after it, as on a broker.
 *
 * Bounded in every direction: requests in flight by number, frames by the budgets; a side that does
 * not read stops the reading of the other. A client that goes away leaves what it had already sent
 * to be finished; a broker that goes away takes the client connection with it, once the answers
 * that it gave have been sent. Both sides are closed by FIN and read until the peer has closed too:
 * a socket that is dropped with unread bytes resets the connection, and the peer may lose the last
 * bytes sent to it.
 */
import type { Socket } from 'node:net';
import type { Logger } from 'pino';
import { parseRequestHeader } from '../../kafka/index.ts';
import { proxyError } from '../errors.ts';
import type { ByteBudget } from '../../runtime/index.ts';
import { FrameReader, type Frame } from '../net/frame-reader.ts';
import { writeFrame } from '../net/write-frame.ts';
import { endExchange, newExchange, type Exchange } from './exchange.ts';
import type {
  Answer,
  ConnectionContext,
  Forward,
  Handled,
  Node,
  Reply,
  RequestHandler,
} from './handler.ts';
import { StallCounter } from './stall-counter.ts';

/** Beyond this many unanswered requests the client is not read: librdkafka would send a million. */
const REQUESTS_IN_FLIGHT_MAX = 128;

export interface ClientConnectionOptions {
  readonly client: Socket;
  readonly upstream: Socket;
  readonly node: Node;
  /** Finds the handler of an API; what has none is a protocol error. */
  readonly handlerOf: (apiKey: number) => RequestHandler | undefined;
  readonly requestBudget: ByteBudget;
  readonly replyBudget: ByteBudget;
  readonly frameBytesMax: number;
  /** How long what one side had sent before it went may take to be finished, and the closing. */
  readonly lingerMs: number;
  readonly log: Logger;
  /** Called once, when both sockets are closed. */
  readonly onClosed: () => void;
}

export class ClientConnection {
  readonly #options: ClientConnectionOptions;
  readonly #context: ConnectionContext;
  readonly #requests: FrameReader;
  readonly #replies: FrameReader;
  readonly #stalls = new StallCounter();
  readonly #toForward: Exchange[] = [];
  readonly #awaitingBroker: Exchange[] = [];
  readonly #toAnswer: Exchange[] = [];
  #draining = false;
  #clientGone = false;
  #brokerGone = false;
  /** Nothing is taken or sent any more; the sockets may still be closing. */
  #closed = false;
  #socketsOpen = 2;
  #lingerTimer: NodeJS.Timeout | undefined;

  constructor(options: ClientConnectionOptions) {
    this.#options = options;
    this.#context = { node: options.node, log: options.log };
    const { client, upstream, frameBytesMax } = options;
    const onError = (error: Error): void => this.#fail(error);
    this.#requests = new FrameReader({
      socket: client,
      budget: options.requestBudget,
      frameBytesMax,
      protocolErrorCode: 'PROXY_CLIENT_PROTOCOL',
      onFrame: (frame) => this.#onRequest(frame),
      onError,
    });
    this.#replies = new FrameReader({
      socket: upstream,
      budget: options.replyBudget,
      frameBytesMax,
      protocolErrorCode: 'PROXY_UPSTREAM_PROTOCOL',
      onFrame: (frame) => this.#onBrokerFrame(frame),
      onError,
    });
    client.on('end', () => this.#onClientGone());
    client.on('error', () => this.#onClientGone());
    client.on('close', () => {
      this.#onClientGone();
      this.#onSocketClosed();
    });
    client.on('drain', () => this.#updateReading());
    upstream.on('error', (error) => this.#onBrokerGone(error));
    upstream.on('close', () => {
      this.#onBrokerGone(null);
      this.#onSocketClosed();
    });
    upstream.on('drain', () => this.#updateReading());
  }

  /** Takes no further request, finishes those that it has, and closes. */
  drain(): void {
    this.#draining = true;
    this.#updateReading();
    this.#closeWhenFinished();
  }

  /**
   * To be called in an interval.
   * @returns how many calls in a row have found memory held for a client that neither sends the
   *   rest of a request nor takes what it is sent
   */
  checkStall(): number {
    return this.#stalls.check(
      this.#requests.awaitsBytes || this.#options.client.writableLength > 0,
    );
  }

  /** Ends both sides at once; what was forwarded and not answered counts as lost. */
  destroy(): void {
    if (!this.#closed) {
      this.#stop();
      this.#giveUpFrom(this.#toAnswer[0]);
    }
    this.#options.client.destroy();
    this.#options.upstream.destroy();
  }

  #onRequest(frame: Frame): void {
    this.#stalls.progress();
    const exchange = newExchange(frame.release);
    try {
      const request = { ...parseRequestHeader(frame.bytes), frame: frame.bytes };
      const handler = this.#options.handlerOf(request.apiKey);
      if (handler === undefined) {
        const message = `the client sent a request of the unsupported API ${request.apiKey}`;
        throw proxyError('PROXY_CLIENT_PROTOCOL', message);
      }
      exchange.correlationId = request.correlationId;
      this.#toForward.push(exchange);
      this.#toAnswer.push(exchange);
      const handled = handler.handle(request, this.#context);
      if (handled instanceof Promise) this.#awaitHandled(exchange, handled);
      else this.#onHandled(exchange, handled);
      this.#updateReading();
    } catch (error) {
      exchange.release();
      this.#fail(error);
    }
  }

  #awaitHandled(exchange: Exchange, handled: Promise<Handled>): void {
    handled
      .then((value) => this.#onHandled(exchange, value))
      .catch((error: unknown) => {
        exchange.release();
        this.#fail(error);
      });
  }

  #onHandled(exchange: Exchange, handled: Handled): void {
    exchange.handled = handled;
    if (this.#closed || this.#brokerGone) {
      this.#giveUp(exchange);
      return;
    }
    let next = this.#toForward[0];
    while (next?.handled != null) {
      this.#toForward.shift();
      if (next.handled.kind === 'forward') this.#forward(next, next.handled);
      else this.#answerItself(next, next.handled);
      next = this.#toForward[0];
    }
    this.#updateReading();
  }

  #forward(exchange: Exchange, forward: Forward): void {
    exchange.forwarded = true;
    writeFrame(this.#options.upstream, forward.frame, exchange.release);
    if (forward.reply === 'none') {
      endExchange(exchange, 'answered');
      // Only now: the last answer of a connection that is to be closed ends the upstream side.
      this.#answer(exchange, null);
    } else {
      this.#awaitingBroker.push(exchange);
    }
  }

  #answerItself(exchange: Exchange, { reply }: Answer): void {
    if (reply === null) exchange.release();
    // The reply may hold views of the request.
    this.#answer(exchange, reply === null ? null : releasing(reply, exchange.release));
  }

  #onBrokerFrame(frame: Frame): void {
    const { release } = frame;
    const exchange = this.#awaitingBroker[0];
    if (exchange === undefined || correlationIdOf(frame.bytes) !== exchange.correlationId) {
      release();
      const message = 'the broker answered what was not asked, or in another order';
      this.#fail(proxyError('PROXY_UPSTREAM_PROTOCOL', message));
      return;
    }
    this.#awaitingBroker.shift();
    const forward = exchange.handled;
    if (forward?.kind !== 'forward') throw new TypeError('only a forwarded request is awaited');
    endExchange(exchange, 'answered');
    if (typeof forward.reply !== 'function') {
      this.#answer(exchange, { chunks: [frame.bytes], release });
      return;
    }
    this.#rewrite(exchange, forward.reply, frame.bytes, release);
  }

  #rewrite(
    exchange: Exchange,
    rewrite: (frame: Buffer) => Reply | null | Promise<Reply | null>,
    frame: Buffer,
    release: () => void,
  ): void {
    const onRewritten = (reply: Reply | null): void => {
      if (reply === null) {
        release();
        this.#answer(exchange, null);
        return;
      }
      this.#answer(exchange, releasing(reply, release));
    };
    const onError = (error: unknown): void => {
      release();
      this.#fail(error);
    };
    try {
      const rewritten = rewrite(frame);
      if (rewritten instanceof Promise) rewritten.then(onRewritten).catch(onError);
      else onRewritten(rewritten);
    } catch (error) {
      onError(error);
    }
  }

  /** Notes the answer of one exchange, and sends all those whose turn has come. */
  #answer(exchange: Exchange, reply: Reply | null): void {
    exchange.reply = reply;
    if (this.#closed) {
      reply?.release?.();
      return;
    }
    let next = this.#toAnswer[0];
    while (next !== undefined && next.reply !== undefined) {
      this.#toAnswer.shift();
      if (next.reply !== null) this.#send(next.reply);
      if (next.handled?.kind === 'answer') this.#draining ||= next.handled.close ?? false;
      next = this.#toAnswer[0];
    }
    this.#updateReading();
    this.#closeWhenFinished();
  }

  #send(reply: Reply): void {
    const onWritten = (): void => {
      this.#stalls.progress();
      reply.release?.();
    };
    if (this.#clientGone) onWritten();
    else writeFrame(this.#options.client, reply.chunks, onWritten);
  }

  #updateReading(): void {
    if (this.#closed) return;
    const { client, upstream } = this.#options;
    const ending = this.#draining || this.#clientGone || this.#brokerGone;
    if (!ending && !upstream.writableNeedDrain && this.#toAnswer.length < REQUESTS_IN_FLIGHT_MAX) {
      this.#requests.resume();
    } else {
      this.#requests.pause();
    }
    if (client.writableNeedDrain && !this.#clientGone) this.#replies.pause();
    else this.#replies.resume();
  }

  #onClientGone(): void {
    if (this.#clientGone || this.#closed) return;
    this.#clientGone = true;
    this.#updateReading();
    this.#closeWhenFinished();
    if (!this.#closed) this.#startLinger();
  }

  #onBrokerGone(error: Error | null): void {
    if (this.#brokerGone || this.#closed) return;
    this.#brokerGone = true;
    if (error !== null) {
      this.#options.log.info({ err: error, node: this.#options.node }, 'broker connection failed');
    }
    this.#giveUpFrom(this.#awaitingBroker[0] ?? this.#toForward[0]);
    this.#updateReading();
    this.#closeWhenFinished();
    if (!this.#closed) this.#startLinger();
  }

  #closeWhenFinished(): void {
    const ending = this.#draining || this.#clientGone || this.#brokerGone;
    if (!ending || this.#closed || this.#toAnswer.length > 0) return;
    this.#stop();
    const { client, upstream } = this.#options;
    for (const socket of [client, upstream]) {
      socket.end();
      // Read on, or the end of the other side would never be seen.
      socket.resume();
    }
    this.#startLinger();
  }

  #stop(): void {
    this.#closed = true;
    this.#requests.close();
    this.#replies.close();
  }

  #startLinger(): void {
    this.#lingerTimer ??= setTimeout(() => this.destroy(), this.#options.lingerMs);
  }

  #onSocketClosed(): void {
    this.#socketsOpen -= 1;
    if (this.#socketsOpen > 0) return;
    clearTimeout(this.#lingerTimer);
    this.#options.onClosed();
  }

  #fail(error: unknown): void {
    if (this.#closed) return;
    const { log, node, client } = this.#options;
    log.warn({ err: error, node, client: client.remoteAddress }, 'closing a client connection');
    this.destroy();
  }

  /** Gives up an exchange and all that came after it. */
  #giveUpFrom(first: Exchange | undefined): void {
    if (first === undefined) return;
    const given = this.#toAnswer.splice(this.#toAnswer.indexOf(first));
    this.#toForward.length = 0;
    this.#awaitingBroker.length = 0;
    for (const exchange of given) this.#giveUp(exchange);
  }

  /** Ends an exchange that will not be answered, in whatever state it is. */
  #giveUp(exchange: Exchange): void {
    exchange.reply?.release?.();
    const { handled } = exchange;
    if (handled === null) return; // its handler is still at work, and ends here when it is done
    if (!exchange.forwarded) exchange.release();
    endExchange(exchange, exchange.forwarded ? 'lost' : 'unsent');
  }
}

/** @returns the correlation id of an answer, or undefined if it is too short to have one */
function correlationIdOf(frame: Buffer): number | undefined {
  return frame.length < 4 ? undefined : frame.readInt32BE(0);
}

/** @returns the reply, whose end also releases what it was made of */
function releasing(reply: Reply, release: () => void): Reply {
  const both = (): void => {
    reply.release?.();
    release();
  };
  return { chunks: reply.chunks, release: both };
}
