/**
 * Whether a Redis may be used at all. Checked on every new connection, because an address can lead
 * to another server after a failover or a change of DNS.
 */
import { coordinatorError } from '../errors.ts';
import type { RedisEndpoint } from './endpoint.ts';
import { RedisSession } from './session.ts';

const MAJOR_VERSION_MIN = 7;

/**
 * @param infos what `INFO` says of each server that holds data
 * @throws `COORDINATOR_REDIS_VERSION`, `COORDINATOR_REDIS_POLICY`
 */
export function checkServerInfos(infos: readonly string[]): void {
  for (const info of infos) {
    const version = field(info, 'redis_version');
    if (!(Number.parseInt(version, 10) >= MAJOR_VERSION_MIN)) {
      throw coordinatorError(
        'COORDINATOR_REDIS_VERSION',
        `Redis is version ${version || 'unknown'}, but ${MAJOR_VERSION_MIN}.0 or newer is needed.`,
        { details: { version } },
      );
    }
    const policy = field(info, 'maxmemory_policy');
    if (policy !== 'noeviction') {
      throw coordinatorError(
        'COORDINATOR_REDIS_POLICY',
        `Redis has maxmemory-policy ${policy || 'unknown'}, under which it may drop state ` +
          'silently. Set "maxmemory-policy noeviction" in redis.conf (or the parameter group of a ' +
          'managed Redis), or run CONFIG SET maxmemory-policy noeviction.',
        { details: { policy } },
      );
    }
  }
}

/**
 * Makes the namespace this Kafka cluster's if it is nobody's.
 *
 * @throws `COORDINATOR_FOREIGN_REDIS`, and as `checkServerInfos`
 */
export async function admitRedis(
  session: RedisSession,
  ownerKey: string,
  clusterId: string,
): Promise<void> {
  checkServerInfos(await session.serverInfos());
  const reply = await session.call('SET', [ownerKey, clusterId, 'NX', 'GET']);
  const owner = Buffer.isBuffer(reply) ? reply.toString('utf8') : clusterId;
  if (owner === clusterId) return;
  throw coordinatorError(
    'COORDINATOR_FOREIGN_REDIS',
    `Key ${ownerKey} in Redis says that it belongs to Kafka cluster ${owner}, but this is cluster ` +
      `${clusterId}. Use another Redis, database or namespace.`,
    { details: { owner, clusterId } },
  );
}

/**
 * @param timeoutMs the most that opening, and later each command, may take
 * @throws why Redis may not, or cannot, be used
 */
export async function openAdmitted(
  endpoint: RedisEndpoint,
  timeoutMs: number,
  ownerKey: string,
  clusterId: string,
): Promise<RedisSession> {
  const session = await RedisSession.open(endpoint, timeoutMs);
  try {
    await admitRedis(session, ownerKey, clusterId);
    return session;
  } catch (error) {
    session.close();
    throw error;
  }
}

function field(info: string, name: string): string {
  return new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1] ?? '';
}
