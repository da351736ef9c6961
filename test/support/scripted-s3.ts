/**
 * An HTTP server on loopback that answers S3 requests by script, for the answers that a healthy
 * server never gives: errors, torn bodies, silence. It stores nothing.
 */
import { once } from 'node:events';
import {
  createServer,
  type IncomingHttpHeaders,
  type Server,
  type ServerResponse,
} from 'node:http';

export interface ScriptedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** What to do with one request, whose body was read. */
export type ScriptedAnswer = (response: ServerResponse, request: ScriptedRequest) => void;

/** An answer as it should be. */
export function answer(
  status: number,
  body: string | Buffer = '',
  headers: Readonly<Record<string, string>> = {},
): ScriptedAnswer {
  return (response) => {
    response.writeHead(status, { 'content-length': String(body.length), ...headers }).end(body);
  };
}

/** An S3 error answer. */
export function errorAnswer(
  status: number,
  code: string,
  message = 'made to fail',
): ScriptedAnswer {
  const xml = `<?xml version="1.0"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`;
  return answer(status, xml, { 'content-type': 'application/xml' });
}

/** An answer that announces more bytes than it sends before the connection ends. */
export function tornAnswer(announced: number, sent: number): ScriptedAnswer {
  return (response) => {
    response.writeHead(200, { 'content-length': String(announced) });
    response.write(Buffer.alloc(sent), () => response.destroy());
  };
}

/** No answer, ever. */
export function silence(): void {
  // The request was read; the response stays open until the server is closed.
}

/** The connection ends without an answer. */
export function hangUp(response: ServerResponse): void {
  response.destroy();
}

export class ScriptedS3 {
  readonly requests: ScriptedRequest[] = [];
  readonly #server: Server;
  #script: ScriptedAnswer[] = [];

  private constructor() {
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const { method = '', url: path = '', headers } = request;
        const read = { method, path, headers, body: Buffer.concat(chunks) };
        this.requests.push(read);
        const next = this.#script.shift() ?? errorAnswer(400, 'ScriptEnded');
        next(response, read);
      });
    });
  }

  static async start(): Promise<ScriptedS3> {
    const scripted = new ScriptedS3();
    scripted.#server.listen(0, '127.0.0.1');
    await once(scripted.#server, 'listening');
    return scripted;
  }

  get endpoint(): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('not listening');
    return `http://127.0.0.1:${address.port}`;
  }

  /** Replaces the script: the next requests are answered in this order. */
  script(...answers: ScriptedAnswer[]): void {
    this.requests.length = 0;
    this.#script = answers;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
