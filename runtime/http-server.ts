/**
 * The HTTP side of a process: whether it lives, whether it is ready, and its metrics. Nothing here
 * changes anything.
 */
import fastify, { type FastifyInstance } from 'fastify';
import type { Registry } from 'prom-client';

/** Why a process should be given no work; null if it should. */
export type Readiness = () => string | null;

export interface HttpServerOptions {
  readonly host: string;
  readonly port: number;
  readonly metrics: Registry;
  readonly readiness: Readiness;
  /** Makes the error to throw when the port cannot be had. */
  readonly listenFailed: (reason: string, cause: unknown) => Error;
}

/** @throws what `listenFailed` makes */
export async function openHttpServer(options: HttpServerOptions): Promise<FastifyInstance> {
  const { host, port, metrics, readiness, listenFailed } = options;
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
    throw listenFailed(`Cannot listen on ${host}:${port}: ${reason}`, error);
  }
  return server;
}
