/**
 * The one error class of Outrigger. Each package owns a list of its codes (`errors.ts`) and throws
 * nothing else on purpose; `docs/errors.md` has a row for every code, which a test checks. Expected
 * outcomes are not errors: they are discriminated unions in return types.
 */

/** What an error carries besides its code and message. */
export interface ErrorContext {
  /** Whether the same call may succeed later without anyone changing anything. */
  readonly retriable?: boolean;
  /** Facts for the log line: never payload, never secrets. */
  readonly details?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
}

export class OutriggerError<Code extends string = string> extends Error {
  readonly code: Code;
  readonly retriable: boolean;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: Code, message: string, context: ErrorContext = {}) {
    super(message, context.cause === undefined ? {} : { cause: context.cause });
    this.name = 'OutriggerError';
    this.code = code;
    this.retriable = context.retriable ?? false;
    this.details = context.details ?? {};
  }
}

/**
 * @param error anything that was caught
 * @param code the code asked for
 * @returns whether the error is Outrigger's and carries that code
 */
export function hasCode<Code extends string>(
  error: unknown,
  code: Code,
): error is OutriggerError<Code> {
  return error instanceof OutriggerError && error.code === code;
}
