/**
 * A broker that says what a test tells it to: one TCP server on 127.0.0.1.
 */

import { once } from 'node:events';
import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { ApiKey } from '../../../../kafka/api-keys.ts';
import { ApiVersionsResponse } from '../../../../kafka/messages/index.ts';
import { FrameSplitter } from '../../../../kafka/wire/frame-splitter.ts';
import { parseRequestHeader, responseFrame } from '../../../../kafka/wire/frame.ts';
import type { RequestHeader } from '../../../../kafka/wire/frame.ts';

export interface ReceivedRequest extends RequestHeader {
  readonly frame: Buffer;
  readonly socket: Socket;
}

/** Gets every request but ApiVersions; what it returns is sent. */
export type Handler = (request: ReceivedRequest) => readonly Buffer[] | null;

export interface OfferedApi {
  readonly apiKey: number;
  readonly minVersion: number;
  readonly maxVersion: number;
}

const FRAME_BYTES_MAX = 1 << 20;

export class FakeBroker {
  readonly received: ReceivedRequest[] = [];
  readonly sockets = new Set<Socket>();
  connections = 0;
  handle: Handler = () => null;
  offered: readonly OfferedApi[] = [
    { apiKey: ApiKey.ApiVersions, minVersion: 0, maxVersion: 4 },
    { apiKey: ApiKey.Metadata, minVersion: 0, maxVersion: 12 },
    { apiKey: ApiKey.ListGroups, minVersion: 0, maxVersion: 5 },
  ];
  readonly #server: Server;

  static async start(): Promise<FakeBroker> {
    const broker = new FakeBroker();
    broker.#server.listen(0, '127.0.0.1');
    await once(broker.#server, 'listening');
    return broker;
  }

  private constructor() {
    this.#server = createServer((socket) => this.#accept(socket));
  }

  get endpoint(): { host: string; port: number } {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the broker has stopped');
    return { host: '127.0.0.1', port: address.port };
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #accept(socket: Socket): void {
    this.connections += 1;
    this.sockets.add(socket);
    const splitter = new FrameSplitter(FRAME_BYTES_MAX);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.sockets.delete(socket));
    socket.on('data', (chunk: Buffer) => {
      try {
        for (const frame of splitter.push(chunk)) this.#receive(frame, socket);
      } catch {
        // As a broker does with what is not Kafka's protocol.
        socket.destroy();
      }
    });
  }

  #receive(frame: Buffer, socket: Socket): void {
    const request = { ...parseRequestHeader(frame), frame, socket };
    this.received.push(request);
    for (const part of this.#answer(request) ?? []) socket.write(part);
  }

  #answer(request: ReceivedRequest): readonly Buffer[] | null {
    if (request.apiKey !== ApiKey.ApiVersions) return this.handle(request);
    const own = this.offered.find(({ apiKey }) => apiKey === ApiKey.ApiVersions);
    const isKnown = own !== undefined && request.apiVersion <= own.maxVersion;
    const head = { ...request, apiVersion: isKnown ? request.apiVersion : 0 };
    const body = isKnown
      ? { errorCode: 0, apiKeys: this.offered }
      : { errorCode: 35, apiKeys: this.offered.slice(0, 1) };
    return responseFrame(ApiVersionsResponse, head, body);
  }
}
