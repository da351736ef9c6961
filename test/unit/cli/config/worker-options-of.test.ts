import { expect, test } from 'vitest';
import { CONFIG_KEYS } from '../../../../cli/config/config-keys.ts';
import { loadConfig } from '../../../../cli/config/load-config.ts';
import { workerOptionsOf } from '../../../../cli/config/worker-options-of.ts';

function optionsOf(lines: string) {
  const text = `kafka.bootstrap.servers=a:9092\nstore.url=file:///x\n${lines}`;
  const { values } = loadConfig(CONFIG_KEYS, { file: { name: 'test', text }, environment: {} });
  return workerOptionsOf(values);
}

test('a worker without Redis is refused, and told what to set', () => {
  expect(() => optionsOf('')).toThrow(
    expect.objectContaining({
      code: 'WORKER_REDIS_MISSING',
      message: expect.stringContaining('redis.url'),
    }),
  );
});

test('intervals and limits reach the jobs, and 0 is no limit', () => {
  const options = optionsOf('redis.url=redis://r:1\nmerge.interval.ms=500\ntrim.keep.ms=1');
  expect(options).toMatchObject({
    groupCount: 4,
    http: null,
    bandwidthBytesPerSecond: null,
    jobs: { merge: { intervalMs: 500, fileBytes: 67_108_864 }, trim: { keepMs: 1 } },
  });
  const limited = optionsOf(
    'redis.url=redis://r:1\nworker.bandwidth.bytes.per.second=1000\nworker.http.port=9100',
  );
  expect(limited).toMatchObject({ bandwidthBytesPerSecond: 1_000, http: { port: 9_100 } });
});
