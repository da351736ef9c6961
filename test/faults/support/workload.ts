/**
 * Kafka's own clients under load while a test breaks something: see `Workload.java`. A test waits
 * for what the clients have seen, never for time, and has the report checked in the end.
 */
import { fileURLToPath } from 'node:url';
import { kafkaLibs } from '../../../docker/local/kafka-jars.ts';
import { javaProgram } from '../../../docker/local/kafka-tools.ts';
import type { CommandResult } from '../../../docker/local/process.ts';
import { History } from './history.ts';

const PROGRAM = fileURLToPath(new URL('Workload.java', import.meta.url));
/** The release whose clients are used. */
const CLIENT_VERSION = '4.3.1';
/** How long a test waits for clients to go on; only a failure takes as long. */
const PATIENCE_MS = 90_000;
/** What the clients' own log says of an ordinary fault: that they connect again, and to whom. */
const RECONNECTING =
  /Connection to node|Bootstrap broker|disconnected|Cancelled in-flight|rebootstrap/i;

export interface WorkloadOptions {
  readonly bootstrap: string;
  readonly topic: string;
  readonly partitions?: number;
  /** Records a second, over all partitions; of 600 bytes each. */
  readonly rate?: number;
  /** Different keys, one after the other; 0, the default, for records without. */
  readonly keys?: number;
  /** False: only reads what is there. */
  readonly produce?: boolean;
  /** Transactions instead of single records, the seed deciding their sizes and ends. */
  readonly transactions?: { readonly id: string; readonly seed: number };
  /** Of the Java clients. */
  readonly producer?: Readonly<Record<string, string>>;
  readonly consumer?: Readonly<Record<string, string>>;
}

export class Workload {
  readonly history = new History();
  readonly partitions: number;
  readonly #options: WorkloadOptions;
  readonly #ended: Promise<CommandResult>;
  readonly #stop = new AbortController();
  readonly #waiting = new Set<() => void>();

  private constructor(options: WorkloadOptions) {
    this.#options = options;
    this.partitions = options.partitions ?? 3;
    this.#ended = this.#run(argsOf(options, this.partitions));
  }

  /** Starts the clients. */
  static start(options: WorkloadOptions): Workload {
    return new Workload(options);
  }

  /** Waits until every partition has had that many more acknowledgements. */
  async acks(count: number): Promise<void> {
    await this.#grows('acknowledged', count, (partition) => this.history.ackedCount(partition));
  }

  /** Waits until that many more records of every partition were read. */
  async reads(count: number): Promise<void> {
    await this.#grows('read', count, (partition) => this.history.readCount(partition));
  }

  /** Ends the producing, and waits until the consumer has read everything. */
  async finish(): Promise<History> {
    this.#stop.abort();
    const { code, stderr } = await withinPatience('the clients did not finish', this.#ended);
    // 143: ended by SIGTERM, as asked.
    if (code !== 143 && code !== 0) throw new Error(`the clients ended with ${code}:\n${stderr}`);
    return this.history;
  }

  /** For a test that has failed: ends the clients without looking at what they say. */
  async abandon(): Promise<void> {
    this.#stop.abort();
    await this.#ended;
  }

  /** Reads everything to its end, with new clients that know nothing. */
  async readAgain(): Promise<History> {
    return Workload.read(this.#options);
  }

  /** Reads what is there, to its end. */
  static async read(options: WorkloadOptions): Promise<History> {
    const reader = new Workload({ ...options, produce: false });
    const { code, stderr } = await withinPatience(
      () => `the reader did not finish: ${reader.history.summary()}`,
      reader.#ended,
    );
    if (code !== 0) throw new Error(`the reader ended with ${code}:\n${stderr}`);
    return reader.history;
  }

  async #run(args: readonly string[]): Promise<CommandResult> {
    const libs = await kafkaLibs(CLIENT_VERSION);
    return javaProgram(libs, PROGRAM, args, {
      signal: this.#stop.signal,
      onLine: (line) => this.#onLine(line),
    });
  }

  #onLine(line: string): void {
    if (this.history.note(line)) {
      for (const look of this.#waiting) look();
    } else if (!RECONNECTING.test(line) && line.startsWith('[')) {
      this.history.complaints.push(line);
    }
  }

  async #grows(what: string, count: number, of: (partition: number) => number): Promise<void> {
    const goals = Array.from({ length: this.partitions }, (_, p) => of(p) + count);
    const reached = (): boolean => goals.every((goal, partition) => of(partition) >= goal);
    let look = (): void => {};
    const grown = new Promise<void>((resolve) => {
      look = () => {
        if (reached()) resolve();
      };
      this.#waiting.add(look);
      look();
    });
    try {
      const ended = this.#ended.then(({ stderr }) => {
        throw new Error(`the clients ended early:\n${stderr}`);
      });
      await withinPatience(
        () => `not ${count} more records ${what}: ${this.history.summary()}`,
        Promise.race([grown, ended]),
      );
    } finally {
      this.#waiting.delete(look);
    }
  }
}

function argsOf(options: WorkloadOptions, partitions: number): string[] {
  const { bootstrap, topic, rate = 300, keys = 0, produce = true, transactions } = options;
  const all: Record<string, string | number | boolean> = {
    bootstrap,
    topic,
    partitions,
    rate,
    keys,
    produce,
    'record.bytes': 600,
  };
  if (transactions !== undefined) {
    all['transactional.id'] = transactions.id;
    all['seed'] = transactions.seed;
  }
  const isolation = transactions === undefined ? 'read_uncommitted' : 'read_committed';
  const consumer = { 'isolation.level': isolation, ...options.consumer };
  for (const [key, value] of Object.entries(consumer)) all[`consumer.${key}`] = value;
  for (const [key, value] of Object.entries(options.producer ?? {})) all[`producer.${key}`] = value;
  return Object.entries(all).map(([key, value]) => `${key}=${value}`);
}

async function withinPatience<T>(what: string | (() => string), event: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const message = typeof what === 'string' ? what : what();
      reject(new Error(`${message} (within ${PATIENCE_MS / 1000} s)`));
    }, PATIENCE_MS);
  });
  try {
    return await Promise.race([event, late]);
  } finally {
    clearTimeout(timer);
  }
}
