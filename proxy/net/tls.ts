/**
 * TLS on both sides: what clients are shown, and how brokers are spoken to. Owns the reading of
 * certificate files, and reads those shown to clients again when they change, so that a rotation
 * needs no restart. A pair that does not fit is refused at start and ignored, with a warning, later.
 */
import { readFile, stat } from 'node:fs/promises';
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls';
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

/** The certificate that the listeners show, as new as its files. */
export class ServerTls {
  readonly #files: TlsFiles;
  readonly #log: Logger;
  #context: SecureContext;
  #fingerprint: string;
  readonly #timer: NodeJS.Timeout;

  private constructor(files: TlsFiles, loaded: Loaded, log: Logger) {
    this.#files = files;
    this.#log = log;
    this.#context = loaded.context;
    this.#fingerprint = loaded.fingerprint;
    this.#timer = setInterval(() => void this.reload(), CHECK_INTERVAL_MS).unref();
  }

  /** @throws `PROXY_TLS_INVALID` naming the files, if they cannot be read or do not fit */
  static async load(files: TlsFiles, log: Logger): Promise<ServerTls> {
    return new ServerTls(files, await load(files), log);
  }

  /** Whether clients have to show a certificate. */
  get demandsCertificate(): boolean {
    return this.#files.caFile !== undefined;
  }

  /** What a new connection is to be secured with. */
  get context(): SecureContext {
    return this.#context;
  }

  /** Reads the files again if they changed. Never fails: what does not fit leaves the old in use. */
  async reload(): Promise<void> {
    try {
      if ((await fingerprintOf(this.#files)) === this.#fingerprint) return;
      const loaded = await load(this.#files);
      this.#context = loaded.context;
      this.#fingerprint = loaded.fingerprint;
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
  readonly context: SecureContext;
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
    return { context: createSecureContext(options), fingerprint };
  } catch (error) {
    const names = Object.values(files).join(', ');
    const reason = error instanceof Error ? error.message : String(error);
    const message = `The listeners' certificate (${names}) cannot be used: ${reason}`;
    throw proxyError('PROXY_TLS_INVALID', message, { cause: error });
  }
}

async function fingerprintOf(files: TlsFiles): Promise<string> {
  const stats = await Promise.all(Object.values(files).map(async (name: string) => stat(name)));
  return stats.map(({ ino, mtimeMs, size }) => `${ino}:${mtimeMs}:${size}`).join(' ');
}
