/** Members of Outrigger in the process of the test, told what `outrigger start` is told. */
import { pino } from 'pino';
import { CONFIG_KEYS } from '../../../cli/config/config-keys.ts';
import { loadConfig, variableOf } from '../../../cli/config/load-config.ts';
import { proxyOptionsOf } from '../../../cli/config/proxy-options-of.ts';
import { runDir } from '../../../docker/local/cache.ts';
import { freePort, freePortRange } from '../../../docker/local/ports.ts';
import { type Proxy, startProxy } from '../../../proxy/index.ts';

const HOST = '127.0.0.1';
/** Two for each broker; a local cluster has few. */
const NODE_PORTS = 20;

/**
 * @param configs keys of docs/config.md; ports are chosen, and the store is a folder of this run
 *   unless they say otherwise
 */
export async function startMember(
  configs: Readonly<Record<string, string | number | boolean>>,
): Promise<Proxy> {
  const [first, last] = await freePortRange(NODE_PORTS);
  const all = {
    'store.url': `file://${await runDir('store')}`,
    'listener.host': HOST,
    'listener.port': await freePort(),
    'node.ports': `${first}-${last}`,
    ...configs,
  };
  const environment = Object.fromEntries(
    Object.entries(all).map(([key, value]) => [variableOf(key), String(value)]),
  );
  const { values } = loadConfig(CONFIG_KEYS, { environment });
  return startProxy(proxyOptionsOf(values), pino({ level: 'silent' }));
}
