/** Starts a real Redis server on 127.0.0.1, from the system's package. */
import { rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { runDir } from './cache.ts';
import { freePort } from './ports.ts';
import { type Server, startServer, waitUntilReady } from './process.ts';
import { ensureCommands } from './system-packages.ts';

const HOST = '127.0.0.1';

export interface RedisOptions {
  readonly port?: number;
  /** Settings of redis.conf beyond, or instead of, those set here. */
  readonly configs?: Readonly<Record<string, string | number>>;
}

export interface Redis {
  readonly url: string;
  readonly port: number;
  /** Shutdown; the data is removed. */
  stop(): Promise<void>;
  /** Crash: SIGKILL. */
  kill(): Promise<void>;
  /** Starts it again, empty, after `kill` or `stop`. */
  start(): Promise<void>;
}

/** Starts Redis and waits until it answers a PING. */
export async function startRedis(options: RedisOptions = {}): Promise<Redis> {
  await ensureCommands('redis-server');
  const port = options.port ?? (await freePort());
  let dir = '';
  let server: Server | undefined;
  const start = async (): Promise<void> => {
    if (server !== undefined) throw new Error('Redis runs already');
    dir = await runDir('redis');
    const configs = {
      port,
      bind: HOST,
      dir,
      save: '',
      appendonly: 'no',
      'maxmemory-policy': 'noeviction',
      ...options.configs,
    };
    const args = Object.entries(configs).flatMap(([key, value]) => [`--${key}`, String(value)]);
    const started = startServer('redis-server', args, { logFile: join(dir, 'server.log') });
    server = started;
    await waitUntilReady(started, 'Redis', async () => answersPing(port));
  };
  const end = async (how: 'stop' | 'kill'): Promise<void> => {
    const ending = server;
    server = undefined;
    await ending?.[how]();
    await rm(dir, { recursive: true, force: true });
  };
  await start();
  return {
    url: `redis://${HOST}:${port}`,
    port,
    start,
    stop: async () => end('stop'),
    kill: async () => end('kill'),
  };
}

async function answersPing(port: number): Promise<boolean> {
  const socket = connect({ host: HOST, port });
  try {
    socket.write('PING\r\n');
    for await (const chunk of socket)
      return Buffer.from(chunk).toString('latin1').startsWith('+PONG');
    return false;
  } catch {
    // Not listening yet: the caller asks again and has the log when it gives up.
    return false;
  } finally {
    socket.destroy();
  }
}
