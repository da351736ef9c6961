/** The log of the process: pino, one line an entry on standard output. */
import { pino, type Logger } from 'pino';
import type { OutriggerConfig, ReadConfig } from './config/environment.ts';

/** Names the process among those whose logs are read together. */
type LogBase = Readonly<Record<string, unknown>>;

/** Whatever an object under these names holds, it is not logged. */
const SECRET_PATHS = ['password', 'secret', '*.password', '*.secret', '*.*.password', '*.*.secret'];

function createLogger(config: OutriggerConfig, base: LogBase): Logger {
  const options = {
    level: config['log.level'],
    base,
    redact: { paths: SECRET_PATHS, censor: '(hidden)' },
  };
  if (config['log.format'] === 'json') return pino(options);
  const target = {
    ignore: 'pid,hostname,member,worker',
    singleLine: true,
    translateTime: 'HH:MM:ss.l',
  };
  return pino({ ...options, transport: { target: 'pino-pretty', options: target } });
}

/**
 * @param base what every entry has
 * @returns the logger from which all parts of the process derive theirs; it begins with what the
 *   configuration had in vain
 */
export function openLog({ values, ignoredVariables }: ReadConfig, base: LogBase): Logger {
  const log = createLogger(values, base);
  if (ignoredVariables.length > 0) {
    log.warn({ variables: ignoredVariables }, 'environment variables that name no key are ignored');
  }
  return log;
}
