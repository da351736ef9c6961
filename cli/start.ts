/** `outrigger start`: runs a proxy until a signal ends it. */
import { startProxy } from '../proxy/index.ts';
import { readConfig } from './config/environment.ts';
import { proxyOptionsOf } from './config/proxy-options-of.ts';
import { createLogger } from './logger.ts';

/**
 * Returns once the proxy is drained and stopped.
 * @param configFile a `.properties` file, or undefined for environment variables alone
 */
export async function start(configFile: string | undefined): Promise<void> {
  const { values, ignoredVariables } = readConfig(configFile);
  const log = createLogger(values);
  if (ignoredVariables.length > 0) {
    log.warn({ variables: ignoredVariables }, 'environment variables that name no key are ignored');
  }
  const stopRequested = firstSignal();
  const proxy = await startProxy(proxyOptionsOf(values), log);
  const reason = await Promise.race([stopRequested, proxy.failed]);
  log.info({ reason }, 'stopping');
  await proxy.stop();
  log.info('stopped');
}

/** The first signal drains; a second one ends the process as it always did. */
function firstSignal(): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, resolve);
  });
}
