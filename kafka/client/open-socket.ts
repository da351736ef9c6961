/**
 * Opens the socket to a broker, plain or with TLS.
 */

import { once } from 'node:events';
import { connect, isIP } from 'node:net';
import type { Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { kafkaError } from '../errors.ts';

/** PEM texts. Without `ca` the certificates that Node trusts count. */
export interface TlsOptions {
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** The name in the broker's certificate, when it is not the host. */
  readonly servername?: string | undefined;
  /** False accepts a certificate of any name. Default true. */
  readonly verifyHostname?: boolean | undefined;
  /** False accepts any certificate. Default true. */
  readonly rejectUnauthorized?: boolean | undefined;
}

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/**
 * @param timeoutMs for the name, the socket and the TLS handshake together
 * @returns a connected socket, past the TLS handshake; the caller listens for its errors
 * @throws KAFKA_CONNECTION_LOST
 */
export async function openSocket(
  { host, port }: Endpoint,
  tls: TlsOptions | undefined,
  timeoutMs: number,
): Promise<Socket> {
  const socket = tls === undefined ? connect({ host, port }) : secureSocket(host, port, tls);
  const timer = setTimeout(() => {
    socket.destroy(new Error(`no connection within ${timeoutMs} ms`));
  }, timeoutMs);
  try {
    await once(socket, tls === undefined ? 'connect' : 'secureConnect');
    return socket;
  } catch (error) {
    throw kafkaError('KAFKA_CONNECTION_LOST', `no connection to ${host}:${port}`, {
      retriable: true,
      details: { host, port },
      cause: error,
    });
  } finally {
    clearTimeout(timer);
  }
}

function secureSocket(host: string, port: number, options: TlsOptions): Socket {
  // A name for SNI must not be an address (RFC 6066).
  const servername = options.servername ?? (isIP(host) === 0 ? host : '');
  const { ca, cert, key, rejectUnauthorized, verifyHostname } = options;
  return connectTls({
    host,
    port,
    servername,
    rejectUnauthorized: rejectUnauthorized ?? true,
    ...(verifyHostname === false ? { checkServerIdentity: () => undefined } : {}),
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  });
}
