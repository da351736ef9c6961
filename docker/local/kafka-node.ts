/**
 * One process of a local Kafka cluster: formats its storage, starts, stops and kills it.
 */
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { javaRun } from './java.ts';
import type { KafkaLibs } from './kafka-jars.ts';
import { HOST, type NodePlan } from './kafka-plan.ts';
import { probeBrokers } from './kafka-probe.ts';
import { type Server, runOrThrow, startServer, waitUntilReady } from './process.ts';

export class KafkaNode {
  readonly id: number;
  readonly host = HOST;
  /** The client listener. */
  readonly port: number;
  /** The plaintext listener of brokers and tools; the client listener itself without SASL. */
  readonly internalPort: number;
  /** The folder of the partitions' logs. */
  readonly logDir: string;
  /** What the process itself logs. */
  readonly serverLog: string;
  readonly isBroker: boolean;

  readonly #libs: KafkaLibs;
  readonly #plan: NodePlan;
  readonly #heapMiB: number;
  #server: Server | undefined;
  #afterRun: (byItself: boolean) => Promise<void> = async () => {};

  constructor(libs: KafkaLibs, plan: NodePlan, heapMiB: number) {
    this.id = plan.id;
    this.port = plan.port;
    this.internalPort = plan.internalPort;
    this.logDir = plan.logDir;
    this.serverLog = join(plan.dir, 'server.log');
    this.isBroker = plan.isBroker;
    this.#libs = libs;
    this.#plan = plan;
    this.#heapMiB = heapMiB;
  }

  /** Writes the settings, and formats the storage unless it holds a cluster already. */
  async format(clusterId: string, formatArgs: readonly string[]): Promise<void> {
    await mkdir(this.#plan.dir, { recursive: true });
    const lines = Object.entries(this.#plan.properties).map(([key, value]) => `${key}=${value}\n`);
    await writeFile(this.#propertiesFile(), lines.join(''));
    if (existsSync(join(this.logDir, 'meta.properties'))) return;
    const run = await javaRun(this.#libs, 'kafka.tools.StorageTool', [
      'format',
      '-t',
      clusterId,
      '-c',
      this.#propertiesFile(),
      ...formatArgs,
    ]);
    await runOrThrow('java', run.args);
    await run.ended(true);
  }

  /** Process id, or undefined while it is stopped. */
  pid(): number | undefined {
    return this.#server?.pid;
  }

  /** Starts it and waits until it serves requests; a controller only until it runs. */
  async start(): Promise<void> {
    if (this.#server !== undefined) throw new Error(`node ${this.id} runs already`);
    const run = await javaRun(this.#libs, 'kafka.Kafka', [this.#propertiesFile()], {
      heapMiB: this.#heapMiB,
      logLevel: 'INFO',
    });
    const server = startServer('java', run.args, { logFile: this.serverLog });
    this.#server = server;
    this.#afterRun = run.ended;
    if (!this.isBroker) return;
    await waitUntilReady(server, `Kafka broker ${this.id}`, async () => {
      const ids = await probeBrokers(this.internalPort);
      return ids?.includes(this.id) ?? false;
    });
  }

  /** Controlled shutdown. */
  async stop(): Promise<void> {
    await this.#end(async (server) => server.stop());
  }

  /** Crash: SIGKILL. */
  async kill(): Promise<void> {
    await this.#end(async (server) => {
      await server.kill();
      return false;
    });
  }

  /** @param how ends the process and says whether it ended by itself */
  async #end(how: (server: Server) => Promise<boolean>): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    const byItself = await how(server);
    this.#server = undefined;
    await this.#afterRun(byItself);
  }

  #propertiesFile(): string {
    return join(this.#plan.dir, 'server.properties');
  }
}
