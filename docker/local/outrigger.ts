/**
 * Starts members of Outrigger as processes of their own, as `outrigger start` does, so that a test
 * can stop, kill and restart them like any other server.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runDir } from './cache.ts';
import { probeBrokers } from './kafka-probe.ts';
import { freePort, freePortRange } from './ports.ts';
import { type Server, startServer, waitUntilReady } from './process.ts';

const HOST = '127.0.0.1';
/** What it logs once it serves requests: the only sign where a probe would need credentials. */
const READY = '"msg":"ready"';
const COMMAND = fileURLToPath(new URL('../../cli/outrigger.ts', import.meta.url));
/** Two for each broker; a local cluster has few. */
const NODE_PORTS = 20;

export interface OutriggerOptions {
  /** The brokers' plaintext listeners. */
  readonly kafkaBootstrap: string;
  /** s3://BUCKET/PREFIX or file:///FOLDER */
  readonly storeUrl: string;
  /** Without Redis it is a single member. */
  readonly redisUrl?: string;
  /** The port that clients have in their bootstrap.servers. */
  readonly port?: number;
  /** A script that starts a member in a way of its own, from the same environment variables. */
  readonly script?: string;
  /** Keys of docs/config.md beyond, or instead of, those set here. */
  readonly configs?: Readonly<Record<string, string | number | boolean>>;
}

export interface Outrigger {
  /** HOST:PORT for clients. */
  readonly bootstrap: string;
  readonly port: number;
  /** What it logs. */
  readonly logFile: string;
  /** Process id, or undefined while it is stopped. */
  pid(): number | undefined;
  /** Drains and ends it. */
  stop(): Promise<void>;
  /** Crash: SIGKILL. */
  kill(): Promise<void>;
  /** Starts it again after `stop` or `kill`, on the same ports. */
  start(): Promise<void>;
}

/** Starts a member and waits until it serves requests. */
export async function startOutrigger(options: OutriggerOptions): Promise<Outrigger> {
  const port = options.port ?? (await freePort());
  const [first, last] = await freePortRange(NODE_PORTS);
  const logFile = join(await runDir('outrigger'), 'outrigger.log');
  const env = environmentOf({
    'kafka.bootstrap.servers': options.kafkaBootstrap,
    'store.url': options.storeUrl,
    'redis.url': options.redisUrl ?? '',
    'listener.host': HOST,
    'listener.port': port,
    'node.ports': `${first}-${last}`,
    ...options.configs,
  });
  const asksForCredentials = options.configs?.['kafka.security.protocol'] !== undefined;
  let server: Server | undefined;
  const start = async (): Promise<void> => {
    if (server !== undefined) throw new Error('Outrigger runs already');
    server = startServer(process.execPath, [options.script ?? COMMAND, 'start'], { logFile, env });
    const before = (await readFile(logFile, 'utf8')).length;
    await waitUntilReady(server, 'Outrigger', async () => {
      if (asksForCredentials) return (await readFile(logFile, 'utf8')).includes(READY, before);
      const brokers = await probeBrokers(port);
      return brokers !== undefined && brokers.length > 0;
    });
  };
  const end = async (how: 'stop' | 'kill'): Promise<void> => {
    const ending = server;
    server = undefined;
    await ending?.[how]();
  };
  await start();
  return {
    bootstrap: `${HOST}:${port}`,
    port,
    logFile,
    pid: () => server?.pid,
    stop: async () => end('stop'),
    kill: async () => end('kill'),
    start,
  };
}

/** @returns the variables that override the configuration keys */
export function environmentOf(
  configs: Readonly<Record<string, string | number | boolean>>,
): Record<string, string> {
  const entries = Object.entries(configs).map(([key, value]) => [
    `OUTRIGGER_${key.toUpperCase().replaceAll('.', '_')}`,
    String(value),
  ]);
  return Object.fromEntries(entries);
}
