/**
 * Sends frames on a socket and matches the answers, which a broker gives in the order of the
 * requests. It promises that every frame sent ends in an answer or in an error, and that no more
 * than `inFlightMax` wait. Once an answer is late, or does not fit, the order is lost and so is the
 * connection. It must not know any message.
 */

import type { Socket } from 'node:net';
import { kafkaError } from '../errors.ts';
import { FrameSplitter } from '../wire/frame-splitter.ts';
import { Reader } from '../wire/reader.ts';

export interface PipelineLimits {
  /** Longest answer, in bytes. */
  readonly frameBytesMax: number;
  /** Requests that may wait for their answers at the same time. */
  readonly inFlightMax: number;
}

interface Waiting {
  readonly correlationId: number;
  readonly timer: NodeJS.Timeout;
  readonly resolve: (frame: Buffer) => void;
  readonly reject: (error: Error) => void;
}

/** Correlation ids are int32 and not negative. */
const CORRELATION_IDS = 0x8000_0000;

export class RequestPipeline {
  readonly #socket: Socket;
  readonly #limits: PipelineLimits;
  readonly #splitter: FrameSplitter;
  readonly #waiting: Waiting[] = [];
  readonly #closed: Promise<void>;
  #nextCorrelationId = 0;
  #failure: Error | null = null;
  #isRetired = false;

  /** @param socket connected, with no listener for data yet */
  constructor(socket: Socket, limits: PipelineLimits) {
    this.#socket = socket;
    this.#limits = limits;
    this.#splitter = new FrameSplitter(limits.frameBytesMax);
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('end', () => this.fail(connectionLost('the broker ended the connection')));
    socket.on('error', (error) => this.fail(connectionLost('the connection failed', error)));
    this.#closed = new Promise((resolve) => {
      socket.on('close', () => {
        this.fail(connectionLost('the connection was closed'));
        resolve();
      });
    });
  }

  /** Whether new requests may be sent. */
  get isOpen(): boolean {
    return this.#failure === null && !this.#isRetired;
  }

  get inFlight(): number {
    return this.#waiting.length;
  }

  /**
   * @param name of the request, for the error
   * @param encode makes the frame, with its length, for a correlation id
   * @returns the frame of the answer, header included; it may be a view of a larger buffer
   * @throws KAFKA_CONNECTION_LOST, KAFKA_REQUEST_TIMED_OUT, KAFKA_FRAME_MALFORMED,
   *   KAFKA_FRAME_TOO_LARGE, KAFKA_IN_FLIGHT_EXCEEDED, and what `encode` throws
   */
  async send(
    name: string,
    encode: (correlationId: number) => Buffer[],
    timeoutMs: number,
  ): Promise<Buffer> {
    if (this.#failure !== null) throw this.#failure;
    if (this.#isRetired) throw connectionLost('the connection takes no more requests');
    const { inFlightMax } = this.#limits;
    if (this.#waiting.length >= inFlightMax) {
      throw kafkaError('KAFKA_IN_FLIGHT_EXCEEDED', `${inFlightMax} requests wait already`, {
        retriable: true,
      });
    }
    const correlationId = this.#nextCorrelationId;
    const chunks = encode(correlationId);
    this.#nextCorrelationId = (correlationId + 1) % CORRELATION_IDS;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        const error = timedOut(name, timeoutMs);
        reject(error);
        this.fail(connectionLost('a request before this one was not answered', error));
      }, timeoutMs);
      this.#waiting.push({ correlationId, timer, resolve, reject });
      this.#socket.cork();
      for (const chunk of chunks) this.#socket.write(chunk);
      this.#socket.uncork();
    });
  }

  /** Takes no more requests; the connection ends when those that wait are answered. */
  retire(): void {
    this.#isRetired = true;
    if (this.#waiting.length === 0) this.fail(connectionLost('the connection was retired'));
  }

  /** Ends the connection at once: every request that waits fails with the error. */
  fail(error: Error): void {
    if (this.#failure !== null) return;
    this.#failure = error;
    this.#socket.destroy();
    for (const { timer, reject } of this.#waiting.splice(0)) {
      clearTimeout(timer);
      reject(error);
    }
  }

  /** Ends the connection. Resolves when the socket is closed. */
  async close(): Promise<void> {
    this.fail(connectionLost('the connection was closed'));
    await this.#closed;
  }

  #receive(chunk: Buffer): void {
    try {
      for (const frame of this.#splitter.push(chunk)) this.#answer(frame);
    } catch (error) {
      this.fail(error instanceof Error ? error : connectionLost('unreadable answer', error));
    }
    if (this.#isRetired && this.#waiting.length === 0) this.retire();
  }

  #answer(frame: Buffer): void {
    const correlationId = new Reader(frame).int32();
    const first = this.#waiting.shift();
    if (first === undefined || first.correlationId !== correlationId) {
      if (first !== undefined) this.#waiting.unshift(first);
      throw kafkaError('KAFKA_FRAME_MALFORMED', `answer ${correlationId} out of order`);
    }
    clearTimeout(first.timer);
    first.resolve(frame);
  }
}

/** @returns the error of a connection that ended, which a new connection may mend */
export function connectionLost(reason: string, cause?: unknown): Error {
  return kafkaError('KAFKA_CONNECTION_LOST', reason, { retriable: true, cause });
}

function timedOut(name: string, timeoutMs: number): Error {
  return kafkaError('KAFKA_REQUEST_TIMED_OUT', `no answer to ${name} within ${timeoutMs} ms`, {
    retriable: true,
    details: { request: name, timeoutMs },
  });
}
