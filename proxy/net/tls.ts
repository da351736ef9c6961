/**
 * TLS on both sides: what clients are shown, and how brokers are spoken to. Owns the reading of
 * certificate files, and reads those shown to clients again when they change, so that a rotation
 * needs no restart. A pair that does not fit is refused at start and ignored, with a warning,
 * later.
 */
import { readFile, stat } from 'node:fs/promises';
import type { Server, ServerOpts, Socket } from 'node:net';
import {
  createSecureContext,
  createServer,
  type SecureContextOptions,
  type Server as TlsServer,
} from 'node:tls';
import type { Logger } from 'pino';
import { proxyError } from '../errors.ts';

/** PEM files. */
export interface TlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
  /** When set, clients have to show a certificate that one of these signed. */
  readonly caFile?: string;
}

/** How often the files are looked at: their change is noticed this late at most. */
const CHECK_INTERVAL_MS = 30_000;
const HANDSHAKE_TIMEOUT_MS = 10_000;

/** The certificate that the listeners show, as new as its files. */
export class ServerTls {
  readonly #files: TlsFiles;
  readonly #log: Logger;
  #loaded: Loaded;
  /** Listeners that show it: at most one per node. */
  readonly #servers = new Set<TlsServer>();
  readonly #timer: NodeJS.Timeout;

  private constructor(files: TlsFiles, loaded: Loaded, log: Logger) {
    this.#files = files;
    this.#log = log;
    this.#loaded = loaded;
    this.#timer = setInterval(() => void this.reload(), CHECK_INTERVAL_MS).unref();
  }

  /** @throws `PROXY_TLS_INVALID` naming the files, if they cannot be read or do not fit */
  static async load(files: TlsFiles, log: Logger): Promise<ServerTls> {
    return new ServerTls(files, await load(files), log);
  }

  /**
   * @param options of the sockets that it accepts
   * @param onSocket called with each socket once its handshake is done
   * @returns a server that shows the certificate, and the new one after a reload
   */
  createServer(options: ServerOpts, onSocket: (socket: Socket) => void): Server {
    const demandsCertificate = this.#files.caFile !== undefined;
    const server = createServer(
      {
        ...options,
        ...this.#loaded.options,
        minVersion: 'TLSv1.2',
        handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
        requestCert: demandsCertificate,
        rejectUnauthorized: demandsCertificate,
      },
      onSocket,
    );
    server.on('tlsClientError', (error, socket) => {
      this.#log.info({ err: error, client: socket.remoteAddress }, 'a TLS handshake failed');
    });
    this.#servers.add(server);
    server.on('close', () => this.#servers.delete(server));
    return server;
  }

  /**
   * Reads the files again if they changed. Never fails: what does not fit leaves the old in use.
   */
  async reload(): Promise<void> {
    try {
      if ((await fingerprintOf(this.#files)) === this.#loaded.fingerprint) return;
      this.#loaded = await load(this.#files);
      for (const server of this.#servers) server.setSecureContext(this.#loaded.options);
      this.#log.info({ certFile: this.#files.certFile }, 'certificate replaced');
    } catch (error) {
      this.#log.warn({ err: error }, 'the changed certificate is not used');
    }
  }

  close(): void {
    clearInterval(this.#timer);
  }
}

interface Loaded {
  readonly options: SecureContextOptions;
  readonly fingerprint: string;
}

async function load(files: TlsFiles): Promise<Loaded> {
  try {
    // Before the contents: a file that changes in between is then read once more, not missed.
    const fingerprint = await fingerprintOf(files);
    const options: SecureContextOptions = {
      cert: await readFile(files.certFile),
      key: await readFile(files.keyFile),
      ...(files.caFile === undefined ? {} : { ca: await readFile(files.caFile) }),
    };
    createSecureContext(options); // throws if key and certificate do not fit
    return { options, fingerprint };
  } catch (error) {
    const names = namesOf(files).join(', ');
    const reason = error instanceof Error ? error.message : String(error);
    const message = `The listeners' certificate (${names}) cannot be used: ${reason}`;
    throw proxyError('PROXY_TLS_INVALID', message, { cause: error });
  }
}

async function fingerprintOf(files: TlsFiles): Promise<string> {
  const stats = await Promise.all(namesOf(files).map(async (name) => stat(name)));
  return stats.map(({ ino, mtimeMs, size }) => `${ino}:${mtimeMs}:${size}`).join(' ');
}

function namesOf({ certFile, keyFile, caFile }: TlsFiles): string[] {
  return caFile === undefined ? [certFile, keyFile] : [certFile, keyFile, caFile];
}
