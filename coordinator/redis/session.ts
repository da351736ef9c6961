/**
 * One connection to Redis, from a successful handshake to its first failure. A session never
 * reconnects, so whatever was checked when it was opened holds for as long as it is used. No call
 * takes longer than its time limit, whether Redis is dead, hung or slow; after a failure the owner
 * closes the session and opens another.
 */
import type { Cluster, Redis } from 'ioredis';
import { coordinatorError } from '../errors.ts';
import { createClient, endpointName, type RedisEndpoint } from './endpoint.ts';
import type { LuaScript } from './lua-script.ts';

/** How Redis begins what it says to who has no, or not enough, rights. */
const DENIED = /^(WRONGPASS|NOAUTH|NOPERM|ERR invalid password)/;

/** An argument of a command. */
export type RedisValue = string | number | Buffer;

export class RedisSession {
  readonly #client: Redis | Cluster;
  readonly #name: string;
  readonly #timeoutMs: number;

  private constructor(client: Redis | Cluster, name: string, timeoutMs: number) {
    this.#client = client;
    this.#name = name;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * @param timeoutMs the most that opening, and later each command, may take
   * @throws `COORDINATOR_REDIS_UNAVAILABLE`, `COORDINATOR_REDIS_DENIED`, `COORDINATOR_TIMED_OUT`
   */
  static async open(endpoint: RedisEndpoint, timeoutMs: number): Promise<RedisSession> {
    const client = createClient(endpoint, timeoutMs);
    const session = new RedisSession(client, endpointName(endpoint), timeoutMs);
    let firstError: unknown;
    // The client reports why it failed here, and only that it failed in the rejected promise.
    client.on('error', (error: unknown) => {
      firstError ??= error;
    });
    try {
      await session.#limited(client.connect(), timeoutMs, 'connect');
    } catch (error) {
      session.close();
      throw firstError === undefined ? error : session.#unavailable(firstError);
    }
    return session;
  }

  /**
   * @param extraMs how long the command itself may wait, for `XREAD BLOCK`
   * @returns the reply with bulk strings as buffers
   * @throws `COORDINATOR_REDIS_UNAVAILABLE`, `COORDINATOR_REDIS_DENIED`, `COORDINATOR_TIMED_OUT`
   */
  async call(command: string, args: readonly RedisValue[], extraMs = 0): Promise<unknown> {
    this.#gather();
    const reply = this.#client.callBuffer(command, [...args]);
    return this.#limited(reply, this.#timeoutMs + extraMs, command);
  }

  /** Runs a script, which Redis is sent only if it does not have it. As `call`. */
  async run(script: LuaScript, keys: readonly string[], argument: Buffer): Promise<unknown> {
    const rest = [keys.length, ...keys, argument];
    try {
      return await this.call('EVALSHA', [script.sha1, ...rest]);
    } catch (error) {
      if (!isMissingScript(error)) throw error;
      return this.call('EVAL', [script.source, ...rest]);
    }
  }

  /** @returns the `INFO` of the server, or of each master of a Redis Cluster */
  async serverInfos(): Promise<string[]> {
    const servers = 'nodes' in this.#client ? this.#client.nodes('master') : [this.#client];
    return this.#limited(
      Promise.all(servers.map(async (server) => server.info())),
      this.#timeoutMs,
      'INFO',
    );
  }

  /** Ends every call under way. */
  close(): void {
    this.#client.disconnect();
  }

  /** Commands that are given together leave together: a write to a socket costs more than they. */
  #gather(): void {
    // Each node of a cluster has a socket of its own.
    if (!('stream' in this.#client)) return;
    const { stream } = this.#client;
    if (stream.writableCorked > 0) return;
    stream.cork();
    process.nextTick(() => stream.uncork());
  }

  async #limited<T>(reply: Promise<T>, timeoutMs: number, what: string): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        const message = `Redis at ${this.#name} has not answered ${what} for ${timeoutMs} ms.`;
        reject(coordinatorError('COORDINATOR_TIMED_OUT', message, { retriable: true }));
      }, timeoutMs);
    });
    try {
      return await Promise.race([reply, limit]);
    } catch (error) {
      throw error instanceof Error && 'code' in error && error.code === 'COORDINATOR_TIMED_OUT'
        ? error
        : this.#unavailable(error);
    } finally {
      clearTimeout(timer);
    }
  }

  #unavailable(cause: unknown): Error {
    const reason = cause instanceof Error ? cause.message : String(cause);
    // The client notes the command, and of AUTH an argument is the password.
    if (cause instanceof Error) Reflect.deleteProperty(cause, 'command');
    if (isReplyError(cause) && DENIED.test(reason)) {
      const message = `Redis at ${this.#name} refuses access: ${reason}`;
      return coordinatorError('COORDINATOR_REDIS_DENIED', message, { cause });
    }
    return coordinatorError(
      'COORDINATOR_REDIS_UNAVAILABLE',
      `Redis at ${this.#name} failed: ${reason}`,
      { retriable: true, cause, details: { refused: isReplyError(cause) } },
    );
  }
}

function isReplyError(error: unknown): error is Error {
  return error instanceof Error && error.name === 'ReplyError';
}

function isMissingScript(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof Error && isReplyError(cause) && cause.message.startsWith('NOSCRIPT');
}
