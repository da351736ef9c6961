/** Kafka's own tools, as they are in Kafka's image: the Java clients of that very release. */
import type { StartedTestContainer } from 'testcontainers';
import type { Place } from './place.ts';

const SCRIPTS = '/opt/kafka/bin';
const PROPERTIES = '/tmp/producer.properties';
/** The verifiable producer of itself tries nothing again. */
const PATIENT_PRODUCER = 'enable.idempotence=true\\nretries=2147483647\\n';
/** How long a consumer waits for records that do not come. */
const IDLE_MS = 60_000;
const TRANSACTION_MS = 200;

/** Of a tool: `--name value`, `--name` alone for true, once for each of several values. */
type ToolOptions = Readonly<Record<string, string | number | true | readonly string[]>>;

export interface ReadOptions {
  readonly group?: string;
  readonly isolationLevel?: 'read_committed' | 'read_uncommitted';
}

export interface JavaProducer {
  /** @returns how many records were acknowledged so far */
  acked(): Promise<number>;
  /**
   * Waits for its end.
   * @returns what was acknowledged
   * @throws when that is not everything
   */
  finish(): Promise<Place[]>;
  /** @returns what it has logged besides */
  log(): Promise<string>;
}

export class KafkaTools {
  readonly #container: StartedTestContainer;
  readonly #bootstrap: string;

  /**
   * @param container of Kafka's image
   * @param bootstrap HOST:PORT as that container knows it
   */
  constructor(container: StartedTestContainer, bootstrap: string) {
    this.#container = container;
    this.#bootstrap = bootstrap;
  }

  async createTopic(topic: string, partitions: number): Promise<void> {
    await this.#run('kafka-topics', { create: true, topic, partitions });
  }

  async alterTopic(topic: string, configs: Readonly<Record<string, string>>): Promise<void> {
    const pairs = Object.entries(configs).map(([name, value]) => `${name}=${value}`);
    await this.#run('kafka-configs', {
      alter: true,
      'entity-type': 'topics',
      'entity-name': topic,
      'add-config': pairs.join(','),
    });
  }

  /** @returns by partition */
  async offsets(topic: string, time: 'earliest' | 'latest'): Promise<number[]> {
    const out = await this.#run('kafka-get-offsets', { topic, time });
    const lines = [...out.matchAll(/^.+:(\d+):(\d+)$/gm)];
    const pairs = lines.map(
      ([, partition, offset]) => [Number(partition), Number(offset)] as const,
    );
    return pairs.sort(([a], [b]) => a - b).map(([, offset]) => offset);
  }

  /** @returns by partition, how many records a group has not read yet */
  async lag(group: string, topic: string): Promise<number[]> {
    const out = await this.#run('kafka-consumer-groups', { describe: true, group });
    const rows = out.split('\n').map((line) => line.trim().split(/\s+/));
    const ofTopic = rows.filter(([first, second]) => first === group && second === topic);
    return ofTopic.map(([, , , , , lag]) => Number(lag));
  }

  /** Reads a topic from its beginning, or from where the group is. */
  async read(topic: string, count: number, options: ReadOptions = {}): Promise<Place[]> {
    const { group, isolationLevel = 'read_committed' } = options;
    const out = await this.#run('kafka-console-consumer', {
      topic,
      'from-beginning': true,
      'isolation-level': isolationLevel,
      'max-messages': count,
      'timeout-ms': IDLE_MS,
      property: ['print.partition=true', 'print.offset=true'],
      ...(group === undefined ? {} : { group }),
    });
    const lines = out.matchAll(/^Partition:(\d+)\tOffset:(\d+)\t(.*)$/gm);
    return Array.from(lines, ([, partition, offset, value = '']) => {
      return { partition: Number(partition), offset: Number(offset), value };
    });
  }

  /**
   * Starts an idempotent producer that goes on through whatever happens.
   * @param prefix of the values, different for each producer on a topic
   * @param perSecond -1 for as many as may be
   */
  startProducer(topic: string, prefix: number, count: number, perSecond = -1): JavaProducer {
    const out = `/tmp/${topic}-${prefix}.out`;
    const command = this.#command('kafka-verifiable-producer', {
      topic,
      'value-prefix': prefix,
      'max-messages': count,
      throughput: perSecond,
      acks: -1,
      'producer.config': PROPERTIES,
    });
    const properties = `printf '${PATIENT_PRODUCER}' > ${PROPERTIES}`;
    const ended = this.#exec(['sh', '-c', `${properties} && ${command.join(' ')} > ${out} 2>&1`]);
    // Whoever waits for its end is told; a test that failed before has said so.
    ended.catch(() => {});
    const lines = async (grep: string): Promise<string> =>
      this.#exec(['sh', '-c', `${grep} ${out} || true`]);
    return {
      acked: async () => Number(await lines('grep -c _success')),
      log: async () => lines("grep -v '^{'"),
      finish: async () => {
        await ended;
        return acknowledged(await this.#exec(['cat', out]));
      },
    };
  }

  /** Records of random content in one transaction after another, all of them committed. */
  async produceTransactions(topic: string, id: string, count: number): Promise<void> {
    // The only tool without --bootstrap-server.
    const options: ToolOptions = {
      topic,
      'num-records': count,
      'record-size': 100,
      throughput: 500,
      'transactional-id': id,
      'transaction-duration-ms': TRANSACTION_MS,
      'producer-props': `bootstrap.servers=${this.#bootstrap}`,
    };
    await this.#exec([scriptOf('kafka-producer-perf-test'), ...argsOf(options)]);
  }

  async #run(tool: string, options: ToolOptions): Promise<string> {
    return this.#exec(this.#command(tool, options));
  }

  #command(tool: string, options: ToolOptions): string[] {
    return [scriptOf(tool), ...argsOf({ 'bootstrap-server': this.#bootstrap, ...options })];
  }

  /** @returns what it wrote on its standard output */
  async #exec(command: string[]): Promise<string> {
    const { exitCode, stdout, output } = await this.#container.exec(command);
    if (exitCode === 0) return stdout;
    throw new Error(`${command.join(' ')} ended with ${exitCode}:\n${output}`);
  }
}

function scriptOf(tool: string): string {
  return `${SCRIPTS}/${tool}.sh`;
}

function argsOf(options: ToolOptions): string[] {
  return Object.entries(options).flatMap(([name, value]) => {
    if (value === true) return [`--${name}`];
    const values = typeof value === 'object' ? value : [value];
    return values.flatMap((each) => [`--${name}`, String(each)]);
  });
}

function acknowledged(out: string): Place[] {
  const events = out.split('\n').filter((line) => line.startsWith('{'));
  // The tool writes one JSON object a line.
  const parsed = events.map((line) => JSON.parse(line) as Place & { readonly name: string });
  const failed = parsed.find(({ name }) => name === 'producer_send_error');
  if (failed !== undefined) throw new Error(`a send failed: ${JSON.stringify(failed)}`);
  return parsed
    .filter(({ name }) => name === 'producer_send_success')
    .map(({ partition, offset, value }) => ({ partition, offset, value }));
}
