/** What a proxy is told at start; where the values come from is the command's business. */
import type { RedisEndpoint } from '../coordinator/index.ts';
import type { Endpoint } from '../kafka/index.ts';
import type { StoreOptions } from '../storage/index.ts';
import type { KafkaSecurity } from '../kafka/index.ts';
import type { PortRange } from './nodes/node-ports.ts';

export interface ProxyOptions {
  readonly kafka: KafkaSecurity & {
    readonly bootstrap: readonly Endpoint[];
    readonly connectTimeoutMs: number;
    readonly metadataRefreshMs: number;
  };
  readonly listener: {
    readonly host: string;
    readonly port: number;
    readonly nodePorts: PortRange;
    readonly advertisedHost: string;
    /** PEM files; null: clients connect without TLS. */
    readonly tls: { readonly certFile: string; readonly keyFile: string } | null;
    readonly connectionsMax: number;
    readonly drainTimeoutMs: number;
  };
  readonly member: { readonly id: number; readonly rack: string };
  /** Null: a single member that shares nothing. */
  readonly redis: RedisEndpoint | null;
  readonly store: StoreOptions & {
    readonly requestTimeoutMs: number;
    readonly failurePolicy: 'error' | 'passthrough';
  };
  /** Port of health checks and metrics; null: none. */
  readonly httpPort: number | null;
  /** Patterns of `diskless.topics`. */
  readonly disklessTopics: readonly string[];
  readonly wal: {
    readonly lingerMs: number;
    readonly maxBytes: number;
    readonly minBytes: number;
    readonly putsPerSecond: number;
    readonly uploadsMax: number;
    readonly bufferBytesMax: number;
    readonly produceTimeoutMs: number;
    readonly commitDeadlineMs: number;
  };
  readonly memory: {
    readonly cacheBytesMax: number;
    readonly laggingCacheBytesMax: number;
    readonly requestBytesMax: number;
    readonly responseBytesMax: number;
    readonly fillBytesMax: number;
    readonly fetchResponseBytesMax: number;
    readonly frameBytesMax: number;
  };
}
