/** The codes of the errors that the command itself raises; `docs/errors.md` explains each. */
export const CLI_ERROR_CODES = [
  'CLI_BUCKET_UNUSED',
  'CLI_CONFIG_INVALID',
  'CLI_CONFIG_UNREADABLE',
] as const;

export type CliErrorCode = (typeof CLI_ERROR_CODES)[number];
