/**
 * Child processes: commands that are run to their end, and servers that must not outlive this
 * process, however it ends. On Linux the kernel sees to that (`setpriv --pdeathsig`); elsewhere an
 * exit hook does what it can.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout } from 'node:timers/promises';

/** The most that is kept of each output stream of a command; what comes after is dropped. */
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024;
const LOG_TAIL_LINES = 40;
const PROBE_EVERY_MS = 50;
const STOP_TIMEOUT_MS = 20_000;

export interface CommandResult {
  /** Exit code; null if a signal ended it, as it does when the time is over. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  /** A stream is written to it as it comes. */
  readonly stdin?: string | Buffer | Readable;
  readonly timeoutMs?: number;
  readonly cwd?: string;
  /** Ends the command with SIGTERM; the result then has what it printed before. */
  readonly signal?: AbortSignal;
  /** Called with each line of either output stream as it comes. */
  readonly onLine?: (line: string) => void;
}

/**
 * Runs a command to its end.
 * @returns what it printed and its exit code
 * @throws when the command cannot be started
 */
export async function runCommand(
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  const [file, fileArgs] = dyingWithParent(command, args);
  const child = spawn(file, fileArgs, {
    cwd: options.cwd,
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(options.timeoutMs === undefined
      ? {}
      : { timeout: options.timeoutMs, killSignal: 'SIGKILL' as const }),
  });
  options.signal?.addEventListener('abort', () => child.kill('SIGTERM'), { once: true });
  // A command that ends without reading its input breaks the pipe; its exit code tells the rest.
  child.stdin.on('error', () => child.stdin.destroy());
  if (options.stdin instanceof Readable) options.stdin.pipe(child.stdin);
  else child.stdin.end(options.stdin ?? '');
  const stdout = collect(child.stdout, options.onLine);
  const stderr = collect(child.stderr, options.onLine);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (exitCode) => resolve(exitCode));
  });
  return { code, stdout: stdout(), stderr: stderr() };
}

/**
 * Runs a command to its end.
 * @returns what it printed
 * @throws when it ends with anything but 0, with what it printed last
 */
export async function runOrThrow(
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  const result = await runCommand(command, args, options);
  if (result.code === 0) return result;
  const output = tail(`${result.stdout}\n${result.stderr}`);
  throw new Error(`${command} ${args.join(' ')} ended with ${result.code}:\n${output}`);
}

/** A server process that this process started. */
export interface Server {
  readonly pid: number;
  readonly logFile: string;
  /** Settles with a description when the process has ended, for whatever reason. */
  readonly ended: Promise<string>;
  /**
   * Asks it to end, and insists after a while.
   * @returns when it has ended, whether it did so by itself
   */
  stop(): Promise<boolean>;
  /** Ends it with SIGKILL, as a crash would, and resolves when it has ended. */
  kill(): Promise<void>;
}

export interface ServerOptions {
  /** Receives both output streams, appended. */
  readonly logFile: string;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** How long `stop` waits before it insists. */
  readonly stopTimeoutMs?: number;
}

/**
 * Starts a server in a process group of its own, so that a Ctrl-C in the terminal reaches this
 * process only, which then stops its servers in order.
 */
export function startServer(
  command: string,
  args: readonly string[],
  options: ServerOptions,
): Server {
  const log = openSync(options.logFile, 'a');
  const [file, fileArgs] = dyingWithParent(command, args);
  const child = spawn(file, fileArgs, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', log, log],
    detached: true,
  });
  closeSync(log);
  const onExit = (): void => killGroup(child, 'SIGKILL');
  process.once('exit', onExit);
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(`${command} ended with ${signal ?? code}`));
  }).finally(() => process.off('exit', onExit));
  const kill = async (): Promise<void> => {
    killGroup(child, 'SIGKILL');
    await ended;
  };
  const stop = async (): Promise<boolean> => {
    killGroup(child, 'SIGTERM');
    const timer = new AbortController();
    const { signal } = timer;
    const late = setTimeout(options.stopTimeoutMs ?? STOP_TIMEOUT_MS, 'late', { signal });
    const byItself = (await Promise.race([ended, late])) !== 'late';
    timer.abort();
    if (!byItself) await kill();
    return byItself;
  };
  return { pid: child.pid ?? -1, logFile: options.logFile, ended, stop, kill };
}

/**
 * Repeats a probe until it says yes, while the server runs.
 * @throws when the server ends or the time is over, with the last lines of its log
 */
export async function waitUntilReady(
  server: Server,
  what: string,
  probe: () => Promise<boolean>,
  timeoutMs = 120_000,
): Promise<void> {
  const deadlineMs = performance.now() + timeoutMs;
  let reason: string | undefined;
  while (reason === undefined) {
    if (await probe()) return;
    reason = await Promise.race([server.ended, setTimeout(PROBE_EVERY_MS, undefined)]);
    if (performance.now() > deadlineMs) reason ??= `no answer within ${timeoutMs / 1000} s`;
  }
  const log = await readFile(server.logFile, 'utf8');
  throw new Error(`${what} did not start: ${reason}\n${server.logFile}:\n${tail(log)}`);
}

/** @returns where the PATH has a command of that name, or undefined */
export function commandPath(command: string): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  return folders.map((folder) => join(folder, command)).find((path) => existsSync(path));
}

/** The command, made to be killed by the kernel when this process dies, where that is possible. */
function dyingWithParent(command: string, args: readonly string[]): [string, string[]] {
  const canBe = process.platform === 'linux' && commandPath('setpriv') !== undefined;
  if (!canBe) return [command, [...args]];
  return ['setpriv', ['--pdeathsig', 'SIGKILL', '--', command, ...args]];
}

function killGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  process.kill(-child.pid, signal);
}

function collect(stream: NodeJS.ReadableStream, onLine?: (line: string) => void): () => string {
  const chunks: Buffer[] = [];
  let bytes = 0;
  let line = '';
  stream.on('data', (chunk: Buffer) => {
    if (bytes < OUTPUT_BYTES_MAX) chunks.push(chunk);
    bytes += chunk.length;
    if (onLine === undefined) return;
    const lines = (line + chunk.toString('utf8')).split('\n');
    line = lines.pop() ?? '';
    for (const complete of lines) onLine(complete);
  });
  return () => Buffer.concat(chunks).toString('utf8');
}

function tail(text: string): string {
  return text.trimEnd().split('\n').slice(-LOG_TAIL_LINES).join('\n');
}
