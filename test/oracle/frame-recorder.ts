/**
 * A TCP proxy in front of a broker that notes one line for each kind of Kafka frame that passes:
 * the API, its version and the bytes, as real clients and brokers write them.
 */

import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { apiKeyName } from '../../kafka/api-keys.ts';
import { messages } from '../../kafka/messages/index.ts';
import { FrameSplitter } from '../../kafka/wire/frame-splitter.ts';
import { parseRequestHeader } from '../../kafka/wire/frame.ts';
import type { RequestHeader } from '../../kafka/wire/frame.ts';

const FRAME_BYTES_MAX = 64 * 1024 * 1024;

/** Longer frames are not noted: a fixture should stay readable. */
const NOTED_BYTES_MAX = 1500;

/** Of each kind of frame the shortest and the longest are kept. */
interface Noted {
  shortest: Buffer;
  longest: Buffer;
}

export class FrameRecorder {
  readonly #brokerPort: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #noted = new Map<string, Noted>();

  /** @param brokerPort of a broker on 127.0.0.1 that advertises the port of this recorder */
  constructor(brokerPort: number) {
    this.#brokerPort = brokerPort;
    this.#server = createServer((client) => this.#accept(client));
  }

  async listen(port: number): Promise<void> {
    this.#server.listen(port, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  /** @returns the lines noted since the last call, sorted */
  take(): string[] {
    const lines = [...this.#noted].flatMap(([kind, { shortest, longest }]) => {
      const frames = shortest.equals(longest) ? [shortest] : [shortest, longest];
      return frames.map((frame) => `${kind} ${frame.toString('hex')}`);
    });
    this.#noted = new Map();
    return lines.sort();
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #accept(client: Socket): void {
    const broker = connect({ host: '127.0.0.1', port: this.#brokerPort });
    const waiting: RequestHeader[] = [];
    this.#relay(client, broker, (frame) => {
      const header = parseRequestHeader(frame);
      this.#note('request', header, frame);
      // Every request has an answer: none of the clients produces with acks 0.
      waiting.push(header);
    });
    this.#relay(broker, client, (frame) => {
      const header = waiting.shift();
      if (header !== undefined) this.#note('response', header, frame);
    });
  }

  #relay(from: Socket, to: Socket, onFrame: (frame: Buffer) => void): void {
    const splitter = new FrameSplitter(FRAME_BYTES_MAX);
    this.#sockets.add(from);
    from.on('error', () => to.destroy());
    from.on('close', () => {
      this.#sockets.delete(from);
      to.end();
    });
    from.on('data', (chunk: Buffer) => {
      for (const frame of splitter.push(chunk)) onFrame(frame);
      to.write(chunk);
    });
  }

  #note(direction: string, { apiKey, apiVersion }: RequestHeader, frame: Buffer): void {
    if (!messages.has(apiKey) || frame.length > NOTED_BYTES_MAX) return;
    const kind = `${direction} ${apiKeyName(apiKey)} ${apiVersion}`;
    const noted = this.#noted.get(kind);
    const copy = Buffer.from(frame);
    if (noted === undefined) this.#noted.set(kind, { shortest: copy, longest: copy });
    else if (copy.length < noted.shortest.length) noted.shortest = copy;
    else if (copy.length > noted.longest.length) noted.longest = copy;
  }
}
