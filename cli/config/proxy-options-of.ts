/** From configuration keys to what a proxy is told. */
import type { Endpoint, SaslCredentials } from '../../kafka/index.ts';
import type { ProxyOptions } from '../../proxy/index.ts';
import type { OutriggerConfig } from './environment.ts';

/** @returns the options of a proxy; empty texts become nulls */
export function proxyOptionsOf(config: OutriggerConfig): ProxyOptions {
  const certFile = config['listener.ssl.certificate.location'];
  const keyFile = config['listener.ssl.key.location'];
  return {
    kafka: {
      bootstrap: config['kafka.bootstrap.servers'].map(endpointOf),
      ...securityOf(config),
      connectTimeoutMs: config['kafka.connect.timeout.ms'],
      metadataRefreshMs: config['kafka.metadata.refresh.ms'],
    },
    listener: {
      host: config['listener.host'],
      port: config['listener.port'],
      nodePorts: config['node.ports'],
      advertisedHost: config['advertised.host'],
      tls: certFile === '' ? null : { certFile, keyFile },
      connectionsMax: config['connections.max'],
      drainTimeoutMs: config['drain.timeout.ms'],
    },
    member: { id: config['member.id'], rack: config['member.rack'] },
    redis: redisOf(config),
    store: storeOf(config),
    httpPort: config['http.port'] || null,
    disklessTopics: config['diskless.topics'],
    wal: {
      ...putCostOf(config),
      lingerMs: config['wal.linger.ms'],
      maxBytes: config['wal.max.bytes'],
      uploadsMax: config['wal.uploads.max'],
      bufferBytesMax: config['wal.buffer.bytes.max'],
      produceTimeoutMs: config['produce.timeout.ms'],
      commitDeadlineMs: config['commit.deadline.ms'],
    },
    memory: {
      cacheBytesMax: config['cache.bytes.max'],
      laggingCacheBytesMax: config['cache.lagging.bytes.max'],
      requestBytesMax: config['memory.requests.bytes.max'],
      responseBytesMax: config['memory.responses.bytes.max'],
      fillBytesMax: config['memory.fills.bytes.max'],
      fetchResponseBytesMax: config['fetch.response.bytes.max'],
      frameBytesMax: config['frame.bytes.max'],
    },
  };
}

/** @param address `HOST:PORT`, as the key's declaration has checked */
function endpointOf(address: string): Endpoint {
  const colon = address.lastIndexOf(':');
  const host = address.slice(0, colon).replace(/^\[(.*)\]$/, '$1');
  return { host, port: Number(address.slice(colon + 1)) };
}

function securityOf(config: OutriggerConfig): Pick<ProxyOptions['kafka'], 'tls' | 'sasl'> {
  const protocol = config['kafka.security.protocol'];
  const tls = {
    caFile: config['kafka.ssl.ca.location'] || null,
    certFile: config['kafka.ssl.certificate.location'] || null,
    keyFile: config['kafka.ssl.key.location'] || null,
    verifyHostname: config['kafka.ssl.verify.hostname'],
  };
  const sasl: SaslCredentials = {
    mechanism: config['kafka.sasl.mechanism'],
    username: config['kafka.sasl.username'],
    password: config['kafka.sasl.password'],
  };
  return {
    tls: protocol.endsWith('SSL') ? tls : null,
    sasl: protocol.startsWith('SASL_') ? sasl : null,
  };
}

function redisOf(config: OutriggerConfig): ProxyOptions['redis'] {
  const url = config['redis.url'];
  const sentinels = config['redis.sentinels'].map(endpointOf);
  const nodes = config['redis.cluster.nodes'].map(endpointOf);
  const masterName = config['redis.sentinel.master'];
  const password = config['redis.password'] || undefined;
  if (nodes.length > 0) return { kind: 'cluster', nodes, password };
  if (sentinels.length > 0) return { kind: 'sentinel', sentinels, masterName, password };
  return url === '' ? null : { kind: 'single', url, password };
}

function storeOf(config: OutriggerConfig): ProxyOptions['store'] {
  const endpoint = config['store.s3.endpoint'];
  const accessKeyId = config['store.s3.access.key.id'];
  const secretAccessKey = config['store.s3.secret.access.key'];
  const requestTimeoutMs = config['store.request.timeout.ms'];
  const s3 = {
    region: config['store.s3.region'],
    forcePathStyle: config['store.s3.path.style'],
    requestTimeoutMs,
    attemptsMax: config['store.retries'] + 1,
    ...(endpoint === '' ? {} : { endpoint }),
    ...(accessKeyId === '' ? {} : { credentials: { accessKeyId, secretAccessKey } }),
  };
  const failurePolicy = config['store.failure.policy'];
  return { url: config['store.url'], s3, requestTimeoutMs, failurePolicy };
}

/** What a PUT costs, where that is not said: money on S3, a little work on a folder. */
const PUT_COST = {
  s3: { minBytes: 128 * 1024, putsPerSecond: 4 },
  file: { minBytes: 0, putsPerSecond: 100 },
};

function putCostOf(config: OutriggerConfig): Pick<ProxyOptions['wal'], keyof typeof PUT_COST.s3> {
  const cost = config['store.url'].startsWith('file:') ? PUT_COST.file : PUT_COST.s3;
  const { 'wal.min.bytes': minBytes, 'wal.puts.per.second': putsPerSecond } = config;
  return {
    minBytes: minBytes === 'auto' ? cost.minBytes : minBytes,
    putsPerSecond: putsPerSecond === 'auto' ? cost.putsPerSecond : putsPerSecond,
  };
}
