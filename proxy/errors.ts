/** The codes of every error that the proxy raises on purpose; `docs/errors.md` explains each. */
import { OutriggerError, type ErrorContext } from '../kafka/index.ts';

export const PROXY_ERROR_CODES = [
  'PROXY_CLIENT_PROTOCOL',
  'PROXY_UPSTREAM_PROTOCOL',
  'PROXY_BROKER_UNREACHABLE',
  'PROXY_BROKER_ID_UNSUPPORTED',
  'PROXY_LISTEN_FAILED',
  'PROXY_TLS_INVALID',
  'PROXY_NODE_PORTS_EXHAUSTED',
  'PROXY_MEMBER_ID_TAKEN',
  'PROXY_TOPIC_PATTERN_INVALID',
  'PROXY_TOPIC_CONFIGS_UNREADABLE',
  'PROXY_TOPIC_CHANGE_REFUSED',
  'PROXY_TOPIC_UNSEEN',
  'PROXY_WAL_UPLOAD_FAILED',
  'PROXY_COMMIT_DEADLINE_PASSED',
  'PROXY_UNACKNOWLEDGED_PRODUCE_FAILED',
  'PROXY_FILL_UNAVAILABLE',
  'PROXY_OBJECT_MISSING',
  'PROXY_OBJECT_CORRUPT',
  'PROXY_PLACEHOLDER_UNKNOWN',
  'PROXY_LOG_UNREADABLE',
  'PROXY_VIEW_UNAVAILABLE',
] as const;

export type ProxyErrorCode = (typeof PROXY_ERROR_CODES)[number];

/** @returns an error with one of the proxy's own codes */
export function proxyError(
  code: ProxyErrorCode,
  message: string,
  context: ErrorContext = {},
): OutriggerError<ProxyErrorCode> {
  return new OutriggerError(code, message, context);
}
