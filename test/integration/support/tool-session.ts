/** Kafka's command line tools, run one after the other in one Java process. */
import { PassThrough } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { KafkaLibs } from '../../../docker/local/kafka-jars.ts';
import { type KafkaTool, javaProgram, toolClass } from '../../../docker/local/kafka-tools.ts';
import type { CommandResult } from '../../../docker/local/process.ts';

const PROGRAM = fileURLToPath(new URL('../../java/KafkaTools.java', import.meta.url));
/** Begins the line with which a call is answered. */
const RESULT = 'result\t';

export class ToolSession {
  readonly #libs: KafkaLibs;
  readonly #calls = new PassThrough();
  readonly #ended: Promise<CommandResult>;
  #answer: (result: CommandResult) => void = () => {};

  /** @param libs of the release whose tools are run */
  constructor(libs: KafkaLibs) {
    this.#libs = libs;
    this.#ended = javaProgram(libs, PROGRAM, [], {
      stdin: this.#calls,
      onLine: (line) => {
        if (line.startsWith(RESULT)) this.#answer(readResult(line));
      },
    });
  }

  /**
   * Runs a tool to its end; the next one only after that.
   * @param stdin what the tool reads
   */
  async run(tool: KafkaTool, args: readonly string[], stdin = ''): Promise<CommandResult> {
    const mainClass = await toolClass(this.#libs, tool);
    const answered = new Promise<CommandResult>((resolve) => {
      this.#answer = resolve;
    });
    const fields = [mainClass, ...[stdin, ...args].map((text) => toBase64(text))];
    this.#calls.write(`${fields.join('\t')}\n`);
    const ended = this.#ended.then(({ stderr }): never => {
      throw new Error(`the tools' process has ended during ${tool}: ${stderr}`);
    });
    return Promise.race([answered, ended]);
  }

  async close(): Promise<void> {
    this.#calls.end();
    await this.#ended;
  }
}

function readResult(line: string): CommandResult {
  const [, code, stdout = '', stderr = ''] = line.split('\t');
  return { code: Number(code), stdout: text(stdout), stderr: text(stderr) };
}

function toBase64(value: string): string {
  return Buffer.from(value).toString('base64');
}

function text(base64: string): string {
  return Buffer.from(base64, 'base64').toString();
}
