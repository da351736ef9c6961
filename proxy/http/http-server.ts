/**
 * The HTTP side of a member: whether it lives, whether it is ready for clients, and its metrics.
 * Nothing here changes anything.
 */
import fastify, { type FastifyInstance } from 'fastify';
import type { Registry } from 'prom-client';
import { proxyError } from '../errors.ts';

/** Why a member should get no new clients; null if it should. */
export type Readiness = () => string | null;

export interface HttpServerOptions {
  readonly host: string;
  readonly port: number;
  readonly metrics: Registry;
  readonly readiness: Readiness;
}

/** @throws PROXY_LISTEN_FAILED */
export async function openHttpServer(options: HttpServerOptions): Promise<FastifyInstance> {
  const { host, port, metrics, readiness } = options;
  const server = fastify({ forceCloseConnections: true });
  server.get('/livez', () => ({ status: 'alive' }));
  server.get('/readyz', (_request, reply) => {
    const reason = readiness();
    return reason === null ? { status: 'ready' } : reply.code(503).send({ status: reason });
  });
  server.get('/metrics', async (_request, reply) =>
    reply.type(metrics.contentType).send(await metrics.metrics()),
  );
  try {
    await server.listen({ host, port });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const message = `Cannot listen on ${host}:${port} (http.port): ${reason}`;
    throw proxyError('PROXY_LISTEN_FAILED', message, { cause: error });
  }
  return server;
}
