/**
 * Errors of the codec, which know where in a message they happened. The reader, the writer and the
 * codecs throw them; every struct and array on the way out puts its own step in front of the path,
 * so a path costs nothing until something is wrong.
 */

import { OutriggerError } from '../outrigger-error.ts';

/** One step of a path: a field name or an array index. */
export type PathStep = string | number;

export type WireErrorCode = 'KAFKA_FRAME_MALFORMED' | 'KAFKA_VALUE_INVALID';

export class WireError extends OutriggerError<WireErrorCode> {
  readonly #reason: string;
  readonly #details: { path: string };

  constructor(code: WireErrorCode, reason: string, facts: { offset?: number; cause?: unknown }) {
    const details = { path: '', ...(facts.offset === undefined ? {} : { offset: facts.offset }) };
    super(code, reason, { details, cause: facts.cause });
    this.#reason = reason;
    this.#details = details;
  }

  /** Puts one step in front of the path, in the message and in `details.path`. */
  prefix(step: PathStep): this {
    const { path } = this.#details;
    const head = typeof step === 'number' ? `[${step}]` : step;
    this.#details.path = path === '' || path.startsWith('[') ? head + path : `${head}.${path}`;
    this.message = `${this.#details.path}: ${this.#reason}`;
    return this;
  }
}

/**
 * @param reason what is wrong with the bytes
 * @param offset where, in bytes from the start of the reader's buffer
 */
export function malformed(reason: string, offset: number): WireError {
  return new WireError('KAFKA_FRAME_MALFORMED', reason, { offset });
}

/** @param reason why the value cannot be written in this version */
export function invalidValue(reason: string, cause?: unknown): WireError {
  return new WireError('KAFKA_VALUE_INVALID', reason, { cause });
}

/**
 * @param error what was caught while reading or writing a part
 * @param step that part
 * @returns the error to throw instead. What is not a WireError is Node's refusal to write a value
 *   of the wrong type or size, so it becomes KAFKA_VALUE_INVALID.
 */
export function within(error: unknown, step: PathStep): WireError {
  const known =
    error instanceof WireError
      ? error
      : invalidValue(error instanceof Error ? error.message : 'value refused', error);
  return known.prefix(step);
}
