/** A container of Outrigger that can be killed, and started again as it was. */
import { getContainerRuntimeClient, type StartedTestContainer } from 'testcontainers';

/** How long it may take to end after SIGTERM before Docker kills it. */
const STOP_SECONDS = 60;
/** Each piece of a container's log has the stream and its length before it. */
const PIECE_HEADER_BYTES = 8;
/** pino's number for what alarms have. */
const LEVEL_FATAL = 60;

export class Server {
  readonly #id: string;

  constructor(container: StartedTestContainer) {
    this.#id = container.getId();
  }

  /** Crash: SIGKILL. */
  async kill(): Promise<void> {
    const container = await this.#handle();
    await container.kill();
    await container.wait();
  }

  /** Starts it again after `kill`. */
  async start(): Promise<void> {
    await (await this.#handle()).start();
  }

  /** @returns what it ended with after SIGTERM; 137 if it had to be killed */
  async stop(): Promise<number> {
    const container = await this.#handle();
    await container.stop({ t: STOP_SECONDS });
    return (await container.inspect()).State.ExitCode;
  }

  /** @returns the lines of its log that are alarms, or are no entries at all */
  async alarms(): Promise<string[]> {
    const lines = (await this.log()).split('\n').filter((line) => line !== '');
    return lines.filter((line) => {
      if (!line.startsWith('{')) return true;
      // Pino writes one JSON object a line.
      const { level } = JSON.parse(line) as { readonly level: number };
      return level >= LEVEL_FATAL;
    });
  }

  /** @returns what it has logged since it was created */
  async log(): Promise<string> {
    const container = await this.#handle();
    const framed = await container.logs({ stdout: true, stderr: true, follow: false });
    const pieces: Buffer[] = [];
    for (let at = 0; at < framed.length; ) {
      const begin = at + PIECE_HEADER_BYTES;
      const end = begin + framed.readUInt32BE(begin - 4);
      pieces.push(framed.subarray(begin, end));
      at = end;
    }
    return Buffer.concat(pieces).toString('utf8');
  }

  async #handle() {
    const { container } = await getContainerRuntimeClient();
    return container.getById(this.#id);
  }
}
