/** Running a script, and reading what every one of them answers. */
import { malformed, type Packer } from '../packing.ts';
import type { LuaScript } from './lua-script.ts';
import type { RedisSession } from './session.ts';

/** @throws `COORDINATOR_…` */
export async function runScript(
  session: RedisSession,
  script: LuaScript,
  keys: readonly string[],
  argument: Packer,
): Promise<ScriptReply> {
  return new ScriptReply(await session.run(script, keys, argument.finish()));
}

/** `{status, value…}`, as every script answers. */
export class ScriptReply {
  readonly #values: readonly unknown[];
  readonly #status: string;

  constructor(reply: unknown) {
    if (!Array.isArray(reply) || !Buffer.isBuffer(reply[0])) throw malformed('a script reply');
    this.#values = reply;
    this.#status = reply[0].toString('latin1');
  }

  is(status: string): boolean {
    return this.#status === status;
  }

  /** @throws `COORDINATOR_RECORD_MALFORMED` for any other status */
  expect(status: string): true {
    if (this.is(status)) return true;
    throw malformed(`a script answered ${this.#status}`);
  }

  buffer(index: number): Buffer {
    const value = this.#values[index];
    if (!Buffer.isBuffer(value)) throw malformed(`value ${index} of a script's reply`);
    return value;
  }

  number(index: number): number {
    const value = this.#values[index];
    if (typeof value !== 'number') throw malformed(`value ${index} of a script's reply`);
    return value;
  }
}
