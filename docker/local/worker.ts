/**
 * Starts workers of Outrigger as processes of their own, as `outrigger worker` does, so that a test
 * can stop, kill and restart them like any other server.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runDir } from './cache.ts';
import { environmentOf, type OutriggerOptions } from './outrigger.ts';
import { freePort } from './ports.ts';
import { type Server, startServer, waitUntilReady } from './process.ts';

const HOST = '127.0.0.1';
/** What it logs once it looks for work. */
const READY = '"msg":"ready"';
const COMMAND = fileURLToPath(new URL('../../cli/outrigger.ts', import.meta.url));

export interface WorkerOptions
  extends Pick<OutriggerOptions, 'kafkaBootstrap' | 'storeUrl' | 'script' | 'configs'> {
  readonly redisUrl: string;
  /** The step of a job at which it dies, `<job>:<step>`. */
  readonly failpoint?: string;
}

export interface Worker {
  /** Of its /livez, /readyz and /metrics. */
  readonly httpOrigin: string;
  /** What it logs. */
  readonly logFile: string;
  /** Process id, or undefined while it is stopped. */
  pid(): number | undefined;
  /** Settles with a description when the process that was started last has ended. */
  ended(): Promise<string>;
  /** Lets jobs finish their step, and ends it. */
  stop(): Promise<void>;
  /** Crash: SIGKILL. */
  kill(): Promise<void>;
  /** Starts it again after its end; without the failpoint unless it is given again. */
  start(failpoint?: string): Promise<void>;
}

/** Starts a worker and waits until it looks for work. */
export async function startWorker(options: WorkerOptions): Promise<Worker> {
  const httpPort = await freePort();
  const logFile = join(await runDir('worker'), 'worker.log');
  const env = environmentOf({
    'kafka.bootstrap.servers': options.kafkaBootstrap,
    'store.url': options.storeUrl,
    'redis.url': options.redisUrl,
    'listener.host': HOST,
    'worker.http.port': httpPort,
    ...options.configs,
  });
  let server: Server | undefined;
  let ended: Promise<string> = Promise.resolve('it was never started');
  const start = async (failpoint?: string): Promise<void> => {
    if (server !== undefined) throw new Error('the worker runs already');
    const withFailpoint =
      failpoint === undefined ? env : { ...env, OUTRIGGER_FAILPOINT: failpoint };
    server = startServer(process.execPath, [options.script ?? COMMAND, 'worker'], {
      logFile,
      env: withFailpoint,
    });
    const started = server;
    ended = started.ended.finally(() => {
      if (server === started) server = undefined;
    });
    const before = (await readFile(logFile, 'utf8')).length;
    await waitUntilReady(started, 'a worker', async () =>
      (await readFile(logFile, 'utf8')).includes(READY, before),
    );
  };
  const end = async (how: 'stop' | 'kill'): Promise<void> => {
    const ending = server;
    server = undefined;
    await ending?.[how]();
  };
  await start(options.failpoint);
  return {
    httpOrigin: `http://${HOST}:${httpPort}`,
    logFile,
    pid: () => server?.pid,
    ended: async () => ended,
    stop: async () => end('stop'),
    kill: async () => end('kill'),
    start,
  };
}
