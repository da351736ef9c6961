import { expect, test } from 'vitest';
import { checkServerInfos } from '../../../../coordinator/redis/admission.ts';

const info = (version: string, policy: string): string =>
  `# Server\r\nredis_version:${version}\r\nredis_mode:standalone\r\n# Memory\r\n` +
  `maxmemory_policy:${policy}\r\n`;

test.each(['7.0.0', '7.4.1', '8.2.0', '10.0.0'])('Redis %s may be used', (version) => {
  expect(() => checkServerInfos([info(version, 'noeviction')])).not.toThrow();
});

test.each(['6.2.14', '5.0.7', '', 'unstable'])('Redis "%s" is refused', (version) => {
  expect(() => checkServerInfos([info(version, 'noeviction')])).toThrow(
    expect.objectContaining({ code: 'COORDINATOR_REDIS_VERSION', details: { version } }),
  );
});

test('every server of a cluster must keep its keys', () => {
  const infos = [info('7.2.0', 'noeviction'), info('7.2.0', 'volatile-ttl')];
  expect(() => checkServerInfos(infos)).toThrow(
    expect.objectContaining({
      code: 'COORDINATOR_REDIS_POLICY',
      details: { policy: 'volatile-ttl' },
    }),
  );
  expect(() => checkServerInfos(['redis_version:7.2.0\r\n'])).toThrow(
    expect.objectContaining({ code: 'COORDINATOR_REDIS_POLICY' }),
  );
});
