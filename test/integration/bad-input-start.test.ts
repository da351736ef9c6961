/** Starts that cannot succeed: each ends with a code and words to act on, and leaves nothing. */
import { writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { runDir } from '../../docker/local/cache.ts';
import { type Kafka, startKafka } from '../../docker/local/kafka.ts';
import { freePort, freePortRange } from '../../docker/local/ports.ts';
import { runCommand } from '../../docker/local/process.ts';
import { type Redis, startRedis } from '../../docker/local/redis.ts';
import { redisCommand } from '../faults/support/site.ts';
import { startMember } from './support/start-member.ts';

const COMMAND = fileURLToPath(new URL('../../cli/outrigger.ts', import.meta.url));

type Configs = Readonly<Record<string, string | number | boolean>>;

function working(): Configs {
  return { 'kafka.bootstrap.servers': inject('kafka').bootstrap };
}

/** Of the shared S3 server. */
function onS3(bucket: string): Configs {
  const { endpoint, accessKeyId, secretAccessKey } = inject('s3');
  return {
    ...working(),
    'store.url': `s3://${bucket}/bad-input`,
    'store.s3.endpoint': endpoint,
    'store.s3.path.style': true,
    'store.s3.access.key.id': accessKeyId,
    'store.s3.secret.access.key': secretAccessKey,
  };
}

async function expectRefused(configs: Configs, code: string, words: RegExp): Promise<void> {
  const message = expect.stringMatching(words);
  await expect(startMember(configs)).rejects.toMatchObject({ code, message });
}

describe('the command', () => {
  async function start(lines: readonly string[]): Promise<{ code: number | null; stderr: string }> {
    const file = join(await runDir('config'), 'outrigger.properties');
    await writeFile(file, lines.join('\n'));
    return runCommand(process.execPath, [COMMAND, 'start', '--config', file]);
  }

  test('names every key that is unknown, missing or wrong, and shows no secret', async () => {
    const { code, stderr } = await start([
      'wal.linger = 5',
      'wal.max.bytes = lots',
      'listener.port = 70000',
      'kafka.sasl.pasword = letmein',
    ]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^CLI_CONFIG_INVALID: /);
    for (const words of [
      /wal\.linger .*did you mean wal\.linger\.ms/,
      /wal\.max\.bytes = lots: takes a whole number/,
      /listener\.port = 70000: takes/,
      /kafka\.sasl\.pasword .*did you mean kafka\.sasl\.password/,
      /kafka\.bootstrap\.servers is not set/,
      /store\.url is not set/,
    ]) {
      expect(stderr).toMatch(words);
    }
    expect(stderr).not.toContain('letmein');
  });

  test('ends with one line that says what is wrong, and no stack', async () => {
    const { code, stderr } = await start([
      `kafka.bootstrap.servers = 127.0.0.1:${await freePort()}`,
      'kafka.connect.timeout.ms = 300',
      'store.url = file:///tmp/none',
    ]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^PROXY_BROKER_UNREACHABLE: .*kafka\.bootstrap\.servers=127\.0\.0\.1/);
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });

  test('says that its file cannot be read', async () => {
    const args = [COMMAND, 'start', '--config', '/does/not/exist.properties'];
    const { code, stderr } = await runCommand(process.execPath, args);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^CLI_CONFIG_UNREADABLE: .*\/does\/not\/exist\.properties/);
  });
});

describe('ports', () => {
  let taken: number;
  const blocker = createTcpServer();

  beforeAll(async () => {
    taken = await freePort();
    blocker.listen(taken, '127.0.0.1');
    await once(blocker, 'listening');
  });

  afterAll(() => {
    blocker.close();
  });

  test('that are taken are named, with their key', async () => {
    const words = (key: string): RegExp => new RegExp(`127\\.0\\.0\\.1:${taken} \\(${key}\\)`);
    const bootstrap = { ...working(), 'listener.port': taken };
    await expectRefused(bootstrap, 'PROXY_LISTEN_FAILED', words('listener.port'));
    const nodes = { ...working(), 'node.ports': `${taken}-${taken + 1}` };
    await expectRefused(nodes, 'PROXY_LISTEN_FAILED', words('node.ports'));
  });

  test('that are too few are counted', async () => {
    const [port] = await freePortRange(1);
    const configs = { ...working(), 'node.ports': `${port}-${port}` };
    await expectRefused(configs, 'PROXY_NODE_PORTS_EXHAUSTED', /two for each/);
  });

  test('are free again after a start that failed', async () => {
    const port = await freePort();
    const [first, last] = await freePortRange(2);
    const ports = { 'listener.port': port, 'node.ports': `${first}-${last}` };
    await expect(startMember({ ...onS3('no-such-bucket'), ...ports })).rejects.toThrow();
    await expect(startMember({ ...working(), ...ports, 'listener.port': taken })).rejects.toThrow();
    const member = await startMember({ ...working(), ...ports });
    await member.stop();
  });
});

describe('credentials', () => {
  let kafka: Kafka;

  beforeAll(async () => {
    kafka = await startKafka({
      sasl: { mechanisms: ['PLAIN', 'SCRAM-SHA-256'], users: { outrigger: 'right' } },
    });
  });

  afterAll(async () => {
    await kafka.stop();
  });

  test.each(['PLAIN', 'SCRAM-SHA-256'])(
    'of Outrigger that brokers refuse (%s) are said to be wrong at once',
    async (mechanism) => {
      const configs = {
        'kafka.bootstrap.servers': kafka.bootstrap,
        'kafka.security.protocol': 'SASL_PLAINTEXT',
        'kafka.sasl.mechanism': mechanism,
        'kafka.sasl.username': 'outrigger',
        'kafka.sasl.password': 'wrong-password',
        // Far longer than the test may take: it is not waited for.
        'kafka.connect.timeout.ms': 600_000,
      };
      await expectRefused(configs, 'PROXY_BROKER_UNREACHABLE', /authenti|credentials/i);
      await expect(startMember(configs)).rejects.not.toThrow('wrong-password');
    },
  );

  test('of the object store that it refuses are said to be wrong', async () => {
    const configs = {
      ...onS3(inject('s3').bucket),
      'store.s3.secret.access.key': 'wrong-secret',
    };
    await expectRefused(configs, 'STORAGE_DENIED', /./);
  });
});

describe('the object store', () => {
  test('has to be there', async () => {
    await expectRefused(onS3('no-such-bucket'), 'STORAGE_BUCKET_MISSING', /no-such-bucket/);
    const folder = { ...working(), 'store.url': 'file:///does/not/exist' };
    await expectRefused(folder, 'STORAGE_BUCKET_MISSING', /does\/not\/exist/);
    const nowhere = { ...onS3('outrigger'), 'store.s3.endpoint': 'http://127.0.0.1:1' };
    await expectRefused({ ...nowhere, 'store.retries': 0 }, 'STORAGE_UNAVAILABLE', /./);
  });

  test('has to be of this cluster, and of no newer version', async () => {
    const createdAt = '2026-01-01T00:00:00.000Z';
    const store = async (identity: object): Promise<Configs> => {
      const folder = await runDir('store');
      await writeFile(join(folder, 'bucket.json'), JSON.stringify(identity));
      return { ...working(), 'store.url': `file://${folder}` };
    };
    const foreign = await store({ clusterId: 'another-cluster', formatLevel: 1, createdAt });
    await expectRefused(foreign, 'STORAGE_FOREIGN_BUCKET', /another-cluster/);
    const newer = await store({ clusterId: 'x', formatLevel: 999, createdAt });
    await expectRefused(newer, 'STORAGE_FORMAT_UNKNOWN', /./);
    const broken = await store({ clusterId: 7 });
    await expectRefused(broken, 'STORAGE_RECORD_CORRUPT', /bucket\.json/);
  });

  test('has to honour conditional writes', async () => {
    const forgetful = await forgetfulS3();
    const configs = { ...onS3('any'), 'store.s3.endpoint': forgetful.endpoint };
    await expectRefused(configs, 'STORAGE_CONDITIONAL_WRITES_UNSUPPORTED', /If-None-Match/);
    forgetful.server.close();
  });
});

describe('Redis', () => {
  let redis: Redis;

  beforeAll(async () => {
    redis = await startRedis();
  });

  afterAll(async () => {
    await redis.stop();
  });

  test('gives a member id to one member only', async () => {
    const configs = { ...working(), 'redis.url': redis.url, 'member.id': 7 };
    const first = await startMember(configs);
    await expectRefused(configs, 'PROXY_MEMBER_ID_TAKEN', /member\.id=7 .*127\.0\.0\.1/);
    await first.stop();
    const second = await startMember(configs);
    await second.stop();
  });

  test('need not be there for a member to start', async () => {
    const configs = { ...working(), 'redis.url': `redis://127.0.0.1:${await freePort()}` };
    const member = await startMember(configs);
    await member.stop();
  });

  test('has to keep what it is given, and to know the password', async () => {
    const forgetful = await startRedis({ configs: { 'maxmemory-policy': 'allkeys-lru' } });
    const onForgetful = { ...working(), 'redis.url': forgetful.url };
    await expectRefused(onForgetful, 'COORDINATOR_REDIS_POLICY', /noeviction/);
    await forgetful.stop();
    await redisCommand(redis.port, 'CONFIG SET requirepass right-password');
    const wrong = { ...working(), 'redis.url': redis.url, 'redis.password': 'wrong-password' };
    await expectRefused(wrong, 'COORDINATOR_REDIS_DENIED', /WRONGPASS/);
    await expect(startMember(wrong)).rejects.not.toThrow('wrong-password');
  });
});

const NO_SUCH_KEY = '<?xml version="1.0"?><Error><Code>NoSuchKey</Code></Error>';

/** An S3 server that takes every PUT, whatever was there. */
async function forgetfulS3(): Promise<{ endpoint: string; server: Server }> {
  const objects = new Map<string, Buffer>();
  const server = createServer((request, response) => {
    const key = new URL(request.url ?? '/', 'http://store').pathname;
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      if (request.method === 'PUT') objects.set(key, Buffer.concat(chunks));
      const body = objects.get(key);
      // Deletes are not among what it can do; the reason to refuse it stays the other one.
      const status = request.method === 'POST' ? 501 : body === undefined ? 404 : 200;
      response.writeHead(status, { etag: '"e"' });
      response.end(request.method === 'GET' ? (body ?? NO_SUCH_KEY) : undefined);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  // A TCP server's address is never a pipe name.
  const { port } = server.address() as AddressInfo;
  return { endpoint: `http://127.0.0.1:${port}`, server };
}
