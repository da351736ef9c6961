/** `outrigger start`: runs a proxy, and a worker beside it if that is wanted, until a signal. */
import { startProxy } from '../proxy/index.ts';
import { startWorker, type Worker } from '../workers/index.ts';
import { readConfig } from './config/environment.ts';
import { proxyOptionsOf } from './config/proxy-options-of.ts';
import { workerOptionsOf } from './config/worker-options-of.ts';
import { failpointOf } from './failpoint.ts';
import { firstSignal } from './first-signal.ts';
import { openLog } from './logger.ts';

/**
 * Returns once the proxy is drained and stopped.
 * @param configFile a `.properties` file, or undefined for environment variables alone
 */
export async function start(configFile: string | undefined): Promise<void> {
  const loaded = readConfig(configFile);
  const { values, failpoint } = loaded;
  const log = openLog(loaded, { member: loaded.values['member.id'] });
  const stopRequested = firstSignal();
  const options = proxyOptionsOf(values);
  const workerOptions = values['worker.embedded'] ? workerOptionsOf(values) : undefined;
  const proxy = await startProxy(options, log);
  let worker: Worker | undefined;
  try {
    const workerLog = log.child({ part: 'worker' });
    const dependencies = { failpoint: failpointOf(failpoint) };
    if (workerOptions !== undefined) {
      worker = await startWorker(workerOptions, workerLog, dependencies);
    }
    const reason = await Promise.race([stopRequested, proxy.failed]);
    log.info({ reason }, 'stopping');
  } finally {
    // The worker takes its time, in which clients go on.
    await worker?.stop();
    await proxy.stop();
  }
  log.info('stopped');
}
