/** Kafka's command line tools on the three ways, and what they print without what must differ. */
import { inject } from 'vitest';
import { type KafkaLibs, kafkaLibs } from '../../../docker/local/kafka-jars.ts';
import { type KafkaTool, kafkaTool } from '../../../docker/local/kafka-tools.ts';
import type { CommandResult } from '../../../docker/local/process.ts';
import { disklessNodeId } from '../../../proxy/nodes/node-id.ts';
import { uniqueName } from '../support/names.ts';
import { ToolSession } from '../support/tool-session.ts';
import { topicName, type Way } from './ways.ts';

const EXCEPTIONS = /\w+Exception: .*/g;
const MEMBER_ID = 0;
const BROKER_ID = 1;

export interface ToolOutcome {
  readonly code: number | null;
  readonly stdout: string;
  /** The exceptions that it tells of, if it has failed. */
  readonly errors: readonly string[];
}

export class ToolWay {
  readonly way: Way;
  readonly #libs: KafkaLibs;
  readonly #session: ToolSession;
  /** What stands for the names that were made here. */
  readonly #names = new Map<string, string>();

  private constructor(way: Way, libs: KafkaLibs) {
    this.way = way;
    this.#libs = libs;
    this.#session = new ToolSession(libs);
  }

  static async open(way: Way): Promise<ToolWay> {
    return new ToolWay(way, await kafkaLibs(inject('kafka').version));
  }

  async close(): Promise<void> {
    await this.#session.close();
  }

  /** @returns a topic name of the way's kind, which outcomes show as `<what>` */
  topic(what: string): string {
    return this.#noted(topicName(this.way, what), what);
  }

  /** @returns a name for something else */
  name(what: string): string {
    return this.#noted(uniqueName(what), what);
  }

  /**
   * Runs a tool with the way's bootstrap servers.
   * @returns what it printed, without what must differ
   */
  async run(tool: KafkaTool, args: readonly string[], stdin = ''): Promise<ToolOutcome> {
    const result = await this.#session.run(tool, this.#withBootstrap(args), stdin);
    return this.#outcomeOf(result);
  }

  /** As `run`, for a tool that does something when its process ends. */
  async runApart(tool: KafkaTool, args: readonly string[]): Promise<ToolOutcome> {
    return this.#outcomeOf(await kafkaTool(this.#libs, tool, this.#withBootstrap(args)));
  }

  #withBootstrap(args: readonly string[]): string[] {
    return ['--bootstrap-server', this.way.bootstrap, ...args];
  }

  #noted(name: string, what: string): string {
    this.#names.set(name, `<${what}>`);
    return name;
  }

  #outcomeOf({ code, stdout, stderr }: CommandResult): ToolOutcome {
    const errors = code === 0 ? [] : stderr.match(EXCEPTIONS);
    return {
      code,
      stdout: this.#withoutNames(stdout),
      errors: (errors ?? []).map((line) => this.#withoutNames(line)),
    };
  }

  #withoutNames(text: string): string {
    let seen = text.replaceAll(/127\.0\.0\.1:\d+/g, '<address>');
    for (const [name, shown] of this.#names) seen = seen.replaceAll(name, shown);
    // Columns are as wide as names are long.
    return withoutDiskless(withRealNodes(seen)).replaceAll(/ {2,}/g, '  ');
  }
}

/** The diskless node shown as the broker that it stands for. */
function withRealNodes(text: string): string {
  return text.replaceAll(String(disklessNodeId(MEMBER_ID, BROKER_ID)), String(BROKER_ID));
}

/** Without the one setting that a diskless topic has more. */
function withoutDiskless(text: string): string {
  return text
    .split('\n')
    .filter((line) => !line.includes('  diskless.enable='))
    .join('\n')
    .replaceAll(/(?<=Configs: )diskless\.enable=true,|,diskless\.enable=true/g, '');
}

/** Without what clocks and chance say. */
export function timeless({ stdout, ...outcome }: ToolOutcome): ToolOutcome {
  return {
    ...outcome,
    stdout: stdout
      .replaceAll(/\d{4}-\d\d-\d\d[ T][\d:.,]+/g, '<time>')
      .replaceAll(/\b\d{13}\b/g, '<ms>')
      .replaceAll(/TopicId: \S+/g, 'TopicId: <id>'),
  };
}

/** With lines in an order of their own, where the tool has none. */
export function sorted({ stdout, ...outcome }: ToolOutcome): ToolOutcome {
  return { ...outcome, stdout: stdout.split('\n').sort().join('\n') };
}
