/**
 * Outrigger's own way to the cluster: its principal and its TLS, from typed options. What clients
 * do never travels on these connections, and no client's rights are widened by them.
 */
import { readFile } from 'node:fs/promises';
import type { Logger } from 'pino';
import { kafkaError } from '../errors.ts';
import type { SaslCredentials } from './authenticate.ts';
import { ClusterClient } from './cluster-client.ts';
import type { Endpoint, TlsOptions } from './open-socket.ts';

/** The options `kafka.security.protocol`, `kafka.ssl.*` and `kafka.sasl.*`. */
export interface KafkaSecurity {
  /** Null: brokers are connected to without TLS. */
  readonly tls: KafkaTlsFiles | null;
  /** Outrigger's own principal; null: brokers ask for none. Clients bring their own. */
  readonly sasl: SaslCredentials | null;
}

/** PEM files; null for those that are not set. */
export interface KafkaTlsFiles {
  /** Null: the authorities that the system trusts. */
  readonly caFile: string | null;
  readonly certFile: string | null;
  readonly keyFile: string | null;
  /** Whether a broker's certificate must name the host that was connected to. */
  readonly verifyHostname: boolean;
}

/**
 * @returns what every connection to a broker is secured with, clients' connections included
 * @throws `KAFKA_TLS_INVALID` naming the file that cannot be read
 */
export async function loadKafkaTls(files: KafkaTlsFiles): Promise<TlsOptions> {
  const [ca, cert, key] = await Promise.all([
    readPem('kafka.ssl.ca.location', files.caFile),
    readPem('kafka.ssl.certificate.location', files.certFile),
    readPem('kafka.ssl.key.location', files.keyFile),
  ]);
  return { ca, cert, key, verifyHostname: files.verifyHostname };
}

async function readPem(key: string, file: string | null): Promise<string | undefined> {
  if (file === null) return undefined;
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    const message = `${key}=${file} cannot be read`;
    throw kafkaError('KAFKA_TLS_INVALID', message, { cause: error });
  }
}

export interface ServiceClientOptions {
  readonly bootstrap: readonly Endpoint[];
  readonly tls: TlsOptions | undefined;
  readonly sasl: SaslCredentials | null;
  /** For one connection, and for the cluster at start. */
  readonly connectTimeoutMs: number;
  readonly log: Logger;
}

/** @returns a client that acts as Outrigger itself; nothing is connected yet */
export function serviceClient(options: ServiceClientOptions): ClusterClient {
  return new ClusterClient({
    bootstrap: options.bootstrap,
    connection: {
      clientId: 'outrigger',
      tls: options.tls,
      sasl: options.sasl ?? undefined,
      connectTimeoutMs: options.connectTimeoutMs,
    },
    logger: options.log,
    now: () => performance.now(),
    random: () => Math.random(),
  });
}
