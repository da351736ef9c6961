/** The log of the process: pino, one line an entry on standard output. */
import { pino, type Logger } from 'pino';
import type { OutriggerConfig, ReadConfig } from './config/environment.ts';

/** Whatever an object under these names holds, it is not logged. */
const SECRET_PATHS = ['password', 'secret', '*.password', '*.secret', '*.*.password', '*.*.secret'];

/** @returns the logger from which all parts of the process derive theirs */
export function createLogger(config: OutriggerConfig): Logger {
  const options = {
    level: config['log.level'],
    base: { member: config['member.id'] },
    redact: { paths: SECRET_PATHS, censor: '(hidden)' },
  };
  if (config['log.format'] === 'json') return pino(options);
  const target = { ignore: 'pid,hostname,member', singleLine: true, translateTime: 'HH:MM:ss.l' };
  return pino({ ...options, transport: { target: 'pino-pretty', options: target } });
}

/** @returns the log of a process that runs for long, which first says what it ignores */
export function openLog({ values, ignoredVariables }: ReadConfig): Logger {
  const log = createLogger(values);
  if (ignoredVariables.length > 0) {
    log.warn({ variables: ignoredVariables }, 'environment variables that name no key are ignored');
  }
  return log;
}
