/** `outrigger worker`: runs a worker until a signal ends it. */
import { startWorker } from '../workers/index.ts';
import { readConfig } from './config/environment.ts';
import { workerOptionsOf } from './config/worker-options-of.ts';
import { failpointOf } from './failpoint.ts';
import { firstSignal } from './first-signal.ts';
import { openLog } from './logger.ts';

/**
 * Returns once the worker has stopped.
 * @param configFile a `.properties` file, or undefined for environment variables alone
 */
export async function worker(configFile: string | undefined): Promise<void> {
  const loaded = readConfig(configFile);
  const log = openLog(loaded, { worker: process.pid });
  const stopRequested = firstSignal();
  const options = workerOptionsOf(loaded.values);
  const running = await startWorker(options, log, { failpoint: failpointOf(loaded.failpoint) });
  log.info({ reason: await stopRequested }, 'stopping');
  await running.stop();
  log.info('stopped');
}
