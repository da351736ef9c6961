/**
 * One client connection of the proxy between an in-process client and an in-process broker, both
 * written to and read by the test frame by frame.
 */
import { once } from 'node:events';
import { type AddressInfo, type Socket, connect, createServer } from 'node:net';
import { pino } from 'pino';
import { FrameSplitter } from '../../kafka/index.ts';
import {
  ClientConnection,
  type ClientConnectionOptions,
} from '../../proxy/connection/client-connection.ts';
import { type RequestHandler, forwardUntouched } from '../../proxy/connection/handler.ts';
import { ByteBudget } from '../../runtime/index.ts';

const FRAME_BYTES_MAX = 64 * 1024 * 1024;
export const quiet = pino({ level: 'silent' });

/** A socket seen as frames: what arrived waits until the test asks for it. */
export class Peer {
  readonly socket: Socket;
  readonly closed: Promise<unknown>;
  readonly #splitter = new FrameSplitter(FRAME_BYTES_MAX);
  readonly #frames: Buffer[] = [];
  #wake: () => void = () => {};
  #ended = false;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      this.#frames.push(...this.#splitter.push(chunk));
      this.#wake();
    });
    socket.on('end', () => this.#end());
    socket.on('close', () => this.#end());
    this.closed = new Promise((resolve) => socket.once('close', resolve));
  }

  /** @returns the next frame, or null if the other side has ended its stream */
  async frame(): Promise<Buffer | null> {
    for (;;) {
      const frame = this.#frames.shift();
      if (frame !== undefined) return frame;
      if (this.#ended) return null;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Frames that have arrived and were not asked for. */
  get framesWaiting(): number {
    return this.#frames.length;
  }

  send(...frames: readonly Buffer[]): void {
    this.socket.write(Buffer.concat(frames.flatMap((frame) => [prefixOf(frame), frame])));
  }

  #end(): void {
    this.#ended = true;
    this.#wake();
  }
}

function prefixOf(frame: Buffer): Buffer {
  const prefix = Buffer.alloc(4);
  prefix.writeInt32BE(frame.length);
  return prefix;
}

/** A request of some API that nothing looks into: Heartbeat v0 with that many bytes of body. */
export function requestFrame(correlationId: number, bodyBytes = 0, apiKey = 12): Buffer {
  const frame = Buffer.alloc(10 + bodyBytes, correlationId & 0xff);
  frame.writeInt16BE(apiKey, 0);
  frame.writeInt16BE(0, 2);
  frame.writeInt32BE(correlationId, 4);
  frame.writeInt16BE(-1, 8);
  return frame;
}

/** An answer with that many bytes behind its correlation id. */
export function replyFrame(correlationId: number, bodyBytes = 0): Buffer {
  const frame = Buffer.alloc(4 + bodyBytes, correlationId & 0xff);
  frame.writeInt32BE(correlationId, 0);
  return frame;
}

export interface Proxied {
  readonly client: Peer;
  readonly broker: Peer;
  readonly connection: ClientConnection;
  readonly requestBudget: ByteBudget;
  readonly replyBudget: ByteBudget;
  /** Resolves when the connection says that it is closed. */
  readonly closed: Promise<void>;
  /** Closes everything that is left. */
  readonly end: () => void;
}

/** Connects a client through a `ClientConnection` to a broker. */
export async function proxied(
  handler: RequestHandler = forwardUntouched,
  options: Partial<ClientConnectionOptions> = {},
): Promise<Proxied> {
  const [client, clientSide] = await socketPair();
  const [upstream, brokerSide] = await socketPair();
  const requestBudget = options.requestBudget ?? new ByteBudget(FRAME_BYTES_MAX);
  const replyBudget = options.replyBudget ?? new ByteBudget(FRAME_BYTES_MAX);
  let onClosed: () => void = () => {};
  const closed = new Promise<void>((resolve) => {
    onClosed = resolve;
  });
  const connection = new ClientConnection({
    client: clientSide,
    upstream,
    node: { kind: 'bootstrap' },
    handlerOf: () => handler,
    requestBudget,
    replyBudget,
    frameBytesMax: FRAME_BYTES_MAX,
    lingerMs: 30_000,
    log: quiet,
    onClosed,
    ...options,
  });
  const peers = { client: new Peer(client), broker: new Peer(brokerSide) };
  const end = (): void => {
    connection.destroy();
    client.destroy();
    brokerSide.destroy();
  };
  return { ...peers, connection, requestBudget, replyBudget, closed, end };
}

/** @returns a connected pair; the second is the accepting side, half-open as a listener's is */
async function socketPair(): Promise<[Socket, Socket]> {
  const server = createServer({ allowHalfOpen: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  // A TCP server's address is never a pipe name.
  const { port } = server.address() as AddressInfo;
  const socket = connect({ port, host: '127.0.0.1' });
  const [[accepted]] = await Promise.all([once(server, 'connection'), once(socket, 'connect')]);
  server.close();
  // The event's only argument is the socket.
  return [socket, accepted as Socket];
}
