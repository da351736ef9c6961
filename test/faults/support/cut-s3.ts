/**
 * Stands between members and a real S3 server, and does to it what networks and stores do: slow
 * down, refuse, cut connections, say nothing, and hold back the requests or the answers of PUTs
 * until a test lets them go.
 */
import { once } from 'node:events';
import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';

export type Trouble =
  | { readonly kind: 'none' }
  /** 503 SlowDown to everything. */
  | { readonly kind: 'refuse' }
  /** Connections end without an answer. */
  | { readonly kind: 'cut' }
  /** No answer, until the trouble is another. */
  | { readonly kind: 'silence' }
  /** Every request reaches the server so much later. */
  | { readonly kind: 'delay'; readonly ms: number }
  /** Of WAL files: PUTs that do not reach the server, or whose answers do not reach the member. */
  | { readonly kind: 'hold'; readonly what: 'requests' | 'answers' }
  /** PUTs of WAL files take effect, and their connections end without an answer. */
  | { readonly kind: 'lose-answers' };

const SLOW_DOWN =
  '<?xml version="1.0"?><Error><Code>SlowDown</Code><Message>made to fail</Message></Error>';

export class CutS3 {
  readonly #server: Server;
  readonly #upstreamPort: number;
  #trouble: Trouble = { kind: 'none' };
  #over = deferred();
  #heldCount = 0;
  #lostCount = 0;
  #onCount: () => void = () => {};

  private constructor(upstream: string) {
    this.#upstreamPort = Number(new URL(upstream).port);
    this.#server = createServer((request, response) => void this.#serve(request, response));
  }

  /** @param upstream http://HOST:PORT of the real server */
  static async start(upstream: string): Promise<CutS3> {
    const cut = new CutS3(upstream);
    cut.#server.listen(0, '127.0.0.1');
    await once(cut.#server, 'listening');
    return cut;
  }

  get endpoint(): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('not listening');
    return `http://127.0.0.1:${address.port}`;
  }

  /** From now on; what was held back or left in silence before is let go. */
  set trouble(trouble: Trouble) {
    this.#trouble = trouble;
    this.#heldCount = 0;
    this.#lostCount = 0;
    this.#over.resolve();
    this.#over = deferred();
  }

  /** Waits until so many PUTs are held back. */
  async held(count: number): Promise<void> {
    while (this.#heldCount < count) await this.#counted();
  }

  /** Waits until the answers of so many PUTs were lost. */
  async lost(count: number): Promise<void> {
    while (this.#lostCount < count) await this.#counted();
  }

  async stop(): Promise<void> {
    this.trouble = { kind: 'cut' };
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on('error', () => response.destroy());
    const body = await bodyOf(request);
    if (body === undefined) return;
    const trouble = this.#trouble;
    const isWalPut = request.method === 'PUT' && (request.url ?? '').includes('/wal/');
    switch (trouble.kind) {
      case 'refuse':
        response.writeHead(503, { 'content-type': 'application/xml' }).end(SLOW_DOWN);
        return;
      case 'cut':
        response.destroy();
        return;
      case 'silence':
        await this.#over.promise;
        response.destroy();
        return;
      case 'delay':
        await delay(trouble.ms);
        break;
      case 'hold':
        if (isWalPut && trouble.what === 'requests') await this.#hold();
        break;
      case 'lose-answers':
      case 'none':
    }
    // What a member that was killed had not brought to the server never gets there.
    if (request.socket.destroyed) return;
    const answer = await this.#forward(request, body);
    if (isWalPut && trouble.kind === 'hold' && trouble.what === 'answers') await this.#hold();
    const isLost = isWalPut && trouble.kind === 'lose-answers';
    if (answer === undefined || isLost) {
      response.destroy();
      if (isLost) this.#lostCount += 1;
      this.#onCount();
      return;
    }
    const { head, bytes } = answer;
    response.writeHead(head.statusCode ?? 500, head.rawHeaders).end(bytes);
  }

  async #hold(): Promise<void> {
    this.#heldCount += 1;
    this.#onCount();
    await this.#over.promise;
  }

  async #counted(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#onCount = resolve;
    });
  }

  async #forward(
    { method, url, rawHeaders }: IncomingMessage,
    body: Buffer,
  ): Promise<{ head: IncomingMessage; bytes: Buffer } | undefined> {
    const forwarded = httpRequest({
      host: '127.0.0.1',
      port: this.#upstreamPort,
      method,
      path: url,
      headers: rawHeaders,
    });
    try {
      const answered = new Promise<IncomingMessage>((resolve, reject) => {
        forwarded.on('response', resolve);
        forwarded.on('error', reject);
      });
      forwarded.end(body);
      const head = await answered;
      const bytes = await bodyOf(head);
      return bytes === undefined ? undefined : { head, bytes };
    } catch {
      // The member sees the connection end, as it would without us.
      return undefined;
    }
  }
}

interface Deferred {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
}

function deferred(): Deferred {
  let resolve = (): void => {};
  const promise = new Promise<void>((kept) => {
    resolve = kept;
  });
  return { promise, resolve };
}

/** @returns the whole body, or undefined if it was broken off */
async function bodyOf(message: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of message) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks);
  } catch {
    return undefined;
  }
}
