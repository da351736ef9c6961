import { expect, test } from 'vitest';
import { CONFIG_KEYS } from '../../../../cli/config/config-keys.ts';
import { loadConfig } from '../../../../cli/config/load-config.ts';
import { proxyOptionsOf } from '../../../../cli/config/proxy-options-of.ts';

function optionsOf(lines: string) {
  const text = `kafka.bootstrap.servers=[::1]:9092,b:9093\n${lines}`;
  const { values } = loadConfig(CONFIG_KEYS, { file: { name: 'test', text }, environment: {} });
  return proxyOptionsOf(values);
}

test('addresses are taken apart, of IPv6 too', () => {
  const { kafka } = optionsOf('store.url=file:///x');
  expect(kafka.bootstrap).toEqual([
    { host: '::1', port: 9092 },
    { host: 'b', port: 9093 },
  ]);
});

test('a PUT costs nothing on a folder and money on S3, unless the operator says otherwise', () => {
  const file = optionsOf('store.url=file:///x').wal;
  expect(file).toMatchObject({ minBytes: 0, putsPerSecond: 100 });
  const s3 = optionsOf('store.url=s3://bucket').wal;
  expect(s3).toMatchObject({ minBytes: 131_072, putsPerSecond: 4 });
  const said = optionsOf('store.url=s3://bucket\nwal.min.bytes=0\nwal.puts.per.second=9.5').wal;
  expect(said).toMatchObject({ minBytes: 0, putsPerSecond: 9.5 });
});

test('Redis is found by URL, by sentinels, as a cluster, or not at all', () => {
  const redisOf = (lines: string) => optionsOf(`store.url=file:///x\n${lines}`).redis;
  expect(redisOf('')).toBeNull();
  expect(redisOf('redis.url=redis://r:1')).toMatchObject({ kind: 'single', url: 'redis://r:1' });
  expect(redisOf('redis.sentinels=s:1,t:2\nredis.sentinel.master=m')).toMatchObject({
    kind: 'sentinel',
    sentinels: [
      { host: 's', port: 1 },
      { host: 't', port: 2 },
    ],
    masterName: 'm',
  });
  expect(redisOf('redis.cluster.nodes=n:1')).toMatchObject({ kind: 'cluster' });
});

test('the protocol decides on TLS and on our own credentials', () => {
  const lines = 'store.url=file:///x\nkafka.sasl.username=u\nkafka.sasl.password=p\n';
  expect(optionsOf(lines).kafka).toMatchObject({ tls: null, sasl: null });
  const secured = optionsOf(`${lines}kafka.security.protocol=SASL_SSL`).kafka;
  expect(secured.sasl).toEqual({ mechanism: 'PLAIN', username: 'u', password: 'p' });
  expect(secured.tls).toMatchObject({ caFile: null, verifyHostname: true });
  expect(optionsOf(`${lines}kafka.security.protocol=SSL`).kafka.sasl).toBeNull();
});
