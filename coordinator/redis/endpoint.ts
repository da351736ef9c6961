/**
 * Where Redis is, and clients for it: the coordinator's own try once, queue nothing and never
 * reconnect by themselves; those of job queues last.
 */
import type { ConnectionOptions } from 'node:tls';
import { Cluster, Redis, type RedisOptions } from 'ioredis';

export interface RedisAddress {
  readonly host: string;
  readonly port: number;
}

interface Credentials {
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** Set, if only to `{}`, to connect by TLS. */
  readonly tls?: ConnectionOptions | undefined;
}

export type RedisEndpoint =
  | ({
      readonly kind: 'single';
      /** `redis://user:password@host:port/db`, or `rediss://` for TLS. */
      readonly url: string;
    } & Credentials)
  | ({
      readonly kind: 'sentinel';
      readonly sentinels: readonly RedisAddress[];
      /** The name under which the sentinels watch the master. */
      readonly masterName: string;
      readonly db?: number | undefined;
      readonly sentinelUsername?: string | undefined;
      readonly sentinelPassword?: string | undefined;
    } & Credentials)
  | ({
      readonly kind: 'cluster';
      /** Some of the nodes; the others are found. */
      readonly nodes: readonly RedisAddress[];
    } & Credentials);

/** @returns a name for messages, without credentials */
export function endpointName(endpoint: RedisEndpoint): string {
  if (endpoint.kind === 'single') {
    const url = URL.parse(endpoint.url);
    return url === null ? 'the configured URL' : `${url.protocol}//${url.host}${url.pathname}`;
  }
  const addresses = endpoint.kind === 'sentinel' ? endpoint.sentinels : endpoint.nodes;
  const list = addresses.map(({ host, port }) => `${host}:${port}`).join(', ');
  return endpoint.kind === 'sentinel'
    ? `${endpoint.masterName} of the sentinels ${list}`
    : `the cluster of ${list}`;
}

/**
 * @param connectTimeoutMs the most that one attempt may take
 * @returns a client that is not connected yet; its owner closes it after the first failure
 */
export function createClient(endpoint: RedisEndpoint, connectTimeoutMs: number): Redis | Cluster {
  const options = {
    connectTimeout: connectTimeoutMs,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
  } as const;
  return create(endpoint, options, null);
}

/**
 * @param retryMs how long to wait before the given attempt, from 1, to connect again
 * @returns a client that is not connected yet, connects again by itself for as long as it is open,
 *   and lets commands wait meanwhile, as BullMQ's workers demand
 */
export function createLastingClient(
  endpoint: RedisEndpoint,
  retryMs: (attempt: number) => number,
): Redis | Cluster {
  return create(endpoint, { enableOfflineQueue: true, maxRetriesPerRequest: null }, retryMs);
}

function create(
  endpoint: RedisEndpoint,
  behaviour: Pick<RedisOptions, 'enableOfflineQueue' | 'maxRetriesPerRequest'>,
  retryMs: ((attempt: number) => number) | null,
): Redis | Cluster {
  const { username, password, tls } = endpoint;
  const options = {
    // RESP2 gives the same replies on every version of Redis.
    protocol: 2,
    lazyConnect: true,
    ...behaviour,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(tls === undefined ? {} : { tls }),
  } as const;
  if (endpoint.kind === 'single') {
    return new Redis(endpoint.url, { ...options, retryStrategy: retryMs });
  }
  if (endpoint.kind === 'cluster') {
    const nodes = endpoint.nodes.map(({ host, port }) => ({ host, port }));
    return new Cluster(nodes, {
      lazyConnect: true,
      enableOfflineQueue: behaviour.enableOfflineQueue ?? true,
      clusterRetryStrategy: retryMs,
      redisOptions: options,
    });
  }
  const { sentinels, masterName, db, sentinelUsername, sentinelPassword } = endpoint;
  return new Redis({
    ...options,
    sentinels: sentinels.map(({ host, port }) => ({ host, port })),
    name: masterName,
    retryStrategy: retryMs,
    sentinelRetryStrategy: retryMs ?? (() => null),
    ...(db === undefined ? {} : { db }),
    ...(sentinelUsername === undefined ? {} : { sentinelUsername }),
    ...(sentinelPassword === undefined ? {} : { sentinelPassword }),
  });
}
