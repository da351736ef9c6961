/** The only place that reads the environment and the configuration file. */
import { readFileSync } from 'node:fs';
import { OutriggerError } from '../../kafka/index.ts';
import type { CliErrorCode } from '../errors.ts';
import type { ConfigValues } from './config-def.ts';
import { CONFIG_KEYS } from './config-keys.ts';
import { loadConfig, type LoadedConfig } from './load-config.ts';

export type OutriggerConfig = ConfigValues<typeof CONFIG_KEYS>;

/** For tests alone, so it is no key: the step of a job at which a worker dies. */
const FAILPOINT = 'OUTRIGGER_FAILPOINT';

export interface ReadConfig extends LoadedConfig<typeof CONFIG_KEYS> {
  readonly failpoint: string | undefined;
}

/**
 * @param fileName a `.properties` file, or undefined for environment variables alone
 * @throws CLI_CONFIG_UNREADABLE, CLI_CONFIG_INVALID
 */
export function readConfig(fileName: string | undefined): ReadConfig {
  const { [FAILPOINT]: failpoint, ...environment } = process.env;
  if (fileName === undefined) return { ...loadConfig(CONFIG_KEYS, { environment }), failpoint };
  const file = { name: fileName, text: readFile(fileName) };
  return { ...loadConfig(CONFIG_KEYS, { environment, file }), failpoint };
}

function readFile(fileName: string): string {
  try {
    return readFileSync(fileName, 'utf8');
  } catch (error) {
    const message = `the configuration file ${fileName} cannot be read`;
    throw new OutriggerError<CliErrorCode>('CLI_CONFIG_UNREADABLE', message, { cause: error });
  }
}
