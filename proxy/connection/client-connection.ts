/**
 * One client connection and the one broker connection behind it, so that the broker sees the
 * client's own principal. Requests are forwarded in order of arrival, answers leave in order of the
 * requests, and what a handler holds back holds back what came after it, as on a broker.
 *
 * Bounded in every direction: requests in flight by number, frames by the budgets; a side that does
 * not read stops the reading of the other. A client that goes away leaves what it had already sent
 * to be finished; a broker that goes away takes the client connection with it.
 */
import type { Socket } from 'node:net';
import type { Logger } from 'pino';
import { parseRequestHeader } from '../../kafka/index.ts';
import { proxyError } from '../errors.ts';
import type { ByteBudget } from '../net/byte-budget.ts';
import { FrameReader, type Frame } from '../net/frame-reader.ts';
import { writeFrame } from '../net/write-frame.ts';
import type {
  ConnectionContext,
  Forward,
  ForwardOutcome,
  Handled,
  Node,
  Reply,
  RequestHandler,
} from './handler.ts';

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
  /** How long what a departed client had sent may take to be finished. */
  readonly lingerMs: number;
  readonly log: Logger;
  readonly onClosed: () => void;
}

/** One request on its way through: `handled` is null until its handler has decided. */
interface Exchange {
  readonly correlationId: number;
  reservedBytes: number;
  handled: Handled | null;
  forwarded: boolean;
  /** Whether the handler was told how its request ended. */
  ended: boolean;
  /** Undefined until the answer is known; null when the client gets none. */
  reply: Reply | null | undefined;
}

export class ClientConnection {
  readonly #options: ClientConnectionOptions;
  readonly #context: ConnectionContext;
  readonly #requests: FrameReader;
  readonly #replies: FrameReader;
  readonly #toForward: Exchange[] = [];
  readonly #awaitingBroker: Exchange[] = [];
  readonly #toAnswer: Exchange[] = [];
  #draining = false;
  #clientGone = false;
  #closed = false;
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
    client.on('close', () => this.#onClientGone());
    client.on('drain', () => this.#updateReading());
    upstream.on('error', (error) => this.#onBrokerGone(error));
    upstream.on('close', () => this.#onBrokerGone(null));
    upstream.on('drain', () => this.#updateReading());
  }

  /** Takes no further request, finishes those that it has, and closes. */
  drain(): void {
    this.#draining = true;
    this.#updateReading();
    this.#closeWhenFinished();
  }

  /** Ends both sides at once; what was forwarded and not answered counts as lost. */
  destroy(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#lingerTimer);
    this.#requests.close();
    this.#replies.close();
    this.#options.client.destroy();
    this.#options.upstream.destroy();
    for (const exchange of this.#toAnswer) this.#giveUp(exchange);
    this.#toAnswer.length = 0;
    this.#options.onClosed();
  }

  #onRequest(frame: Frame): void {
    try {
      const request = { ...parseRequestHeader(frame.bytes), frame: frame.bytes };
      const handler = this.#options.handlerOf(request.apiKey);
      if (handler === undefined) {
        const message = `the client sent a request of the unsupported API ${request.apiKey}`;
        throw proxyError('PROXY_CLIENT_PROTOCOL', message);
      }
      const exchange: Exchange = {
        correlationId: request.correlationId,
        reservedBytes: frame.reservedBytes,
        handled: null,
        forwarded: false,
        ended: false,
        reply: undefined,
      };
      this.#toForward.push(exchange);
      this.#toAnswer.push(exchange);
      const handled = handler.handle(request, this.#context);
      if (handled instanceof Promise) this.#awaitHandled(exchange, handled);
      else this.#onHandled(exchange, handled);
      this.#updateReading();
    } catch (error) {
      this.#fail(error);
    }
  }

  #awaitHandled(exchange: Exchange, handled: Promise<Handled>): void {
    handled.then(
      (value) => this.#onHandled(exchange, value),
      (error: unknown) => {
        this.#release(exchange);
        this.#fail(error);
      },
    );
  }

  #onHandled(exchange: Exchange, handled: Handled): void {
    exchange.handled = handled;
    if (this.#closed) {
      this.#giveUp(exchange);
      return;
    }
    let next = this.#toForward[0];
    while (next?.handled != null) {
      this.#toForward.shift();
      if (next.handled.kind === 'forward') this.#forward(next, next.handled);
      else this.#answer(next, next.handled.reply);
      next = this.#toForward[0];
    }
  }

  #forward(exchange: Exchange, forward: Forward): void {
    exchange.forwarded = true;
    if (forward.reply === 'none') {
      end(exchange, 'answered');
      this.#answer(exchange, null);
    } else {
      this.#awaitingBroker.push(exchange);
    }
    writeFrame(this.#options.upstream, forward.frame, () => this.#release(exchange));
  }

  #onBrokerFrame(frame: Frame): void {
    const exchange = this.#awaitingBroker.shift();
    if (exchange === undefined || frame.bytes.readInt32BE(0) !== exchange.correlationId) {
      this.#options.replyBudget.release(frame.reservedBytes);
      const message = 'the broker answered what was not asked, or in another order';
      this.#fail(proxyError('PROXY_UPSTREAM_PROTOCOL', message));
      return;
    }
    const forward = exchange.handled;
    if (forward?.kind !== 'forward') throw new TypeError('only a forwarded request is awaited');
    end(exchange, 'answered');
    // From here on the exchange holds the reservation of the broker's frame.
    const release = (): void => this.#options.replyBudget.release(frame.reservedBytes);
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
      const both = (): void => {
        release();
        reply.release?.();
      };
      this.#answer(exchange, { chunks: reply.chunks, release: both });
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
      if (next.handled?.kind === 'answer') this.#release(next);
      if (next.reply !== null) this.#send(next.reply);
      next = this.#toAnswer[0];
    }
    this.#updateReading();
    this.#closeWhenFinished();
  }

  #send(reply: Reply): void {
    if (this.#clientGone) reply.release?.();
    else writeFrame(this.#options.client, reply.chunks, () => reply.release?.());
  }

  #updateReading(): void {
    if (this.#closed) return;
    const { client, upstream } = this.#options;
    const mayRead = !this.#draining && !this.#clientGone && !upstream.writableNeedDrain;
    if (mayRead && this.#toAnswer.length < REQUESTS_IN_FLIGHT_MAX) this.#requests.resume();
    else this.#requests.pause();
    if (client.writableNeedDrain && !this.#clientGone) this.#replies.pause();
    else this.#replies.resume();
  }

  #onClientGone(): void {
    if (this.#clientGone || this.#closed) return;
    this.#clientGone = true;
    this.#updateReading();
    this.#closeWhenFinished();
    if (this.#closed) return;
    this.#lingerTimer = setTimeout(() => this.destroy(), this.#options.lingerMs);
  }

  #onBrokerGone(error: Error | null): void {
    if (this.#closed) return;
    if (error !== null) {
      this.#options.log.info({ err: error, node: this.#options.node }, 'broker connection failed');
    }
    this.destroy();
  }

  #closeWhenFinished(): void {
    if ((!this.#draining && !this.#clientGone) || this.#closed || this.#toAnswer.length > 0) return;
    this.#closed = true;
    this.#requests.close();
    this.#replies.close();
    clearTimeout(this.#lingerTimer);
    const { client, upstream, onClosed } = this.#options;
    // Closing is graceful on both sides: what is written still has to arrive.
    upstream.end(() => upstream.destroy());
    client.end(() => {
      client.destroy();
      onClosed();
    });
  }

  #fail(error: unknown): void {
    if (this.#closed) return;
    const { log, node, client } = this.#options;
    log.warn({ err: error, node, client: client.remoteAddress }, 'closing a client connection');
    this.destroy();
  }

  /** Ends an exchange whose connection is closed, in whatever state it is. */
  #giveUp(exchange: Exchange): void {
    exchange.reply?.release?.();
    const { handled } = exchange;
    if (handled === null) return; // its handler is still at work, and ends here when it is done
    if (!exchange.forwarded) this.#release(exchange);
    end(exchange, exchange.forwarded ? 'lost' : 'unsent');
  }

  #release(exchange: Exchange): void {
    this.#options.requestBudget.release(exchange.reservedBytes);
    exchange.reservedBytes = 0;
  }
}

function end(exchange: Exchange, outcome: ForwardOutcome): void {
  if (exchange.ended || exchange.handled?.kind !== 'forward') return;
  exchange.ended = true;
  exchange.handled.ended?.(outcome);
}
