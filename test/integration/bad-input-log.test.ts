/**
 * The log as an operator reads it: nothing above `info` while all is well, and at the most
 * talkative level, while everything that has credentials fails, no payload and no secret.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type Kafka, startKafka } from '../../docker/local/kafka.ts';
import { type Outrigger, startOutrigger } from '../../docker/local/outrigger.ts';
import { type Redis, startRedis } from '../../docker/local/redis.ts';
import { type S3, startS3 } from '../../docker/local/s3.ts';
import { CutS3 } from '../faults/support/cut-s3.ts';
import { createTopic, logOf, redisCommand } from '../faults/support/site.ts';
import { kcat } from './support/kcat.ts';

const PASSWORDS = { outrigger: 'own-s3cret', app: 'client-s3cret' };
const WRONG_PASSWORD = 'wrong-s3cret';
const REDIS_PASSWORD = 'redis-s3cret';
const PAYLOAD = 'card-number-4929';
const KEY = 'customer-4711';
const LINES = Array.from({ length: 50 }, (_, i) => `${KEY}:${PAYLOAD} ${i} `.padEnd(200, '.'));
const PATIENCE = { timeout: 60_000, interval: 100 } as const;
/** pino's number. */
const LEVEL_INFO = 30;

let kafka: Kafka;
let redis: Redis;
let s3: S3;
let cut: CutS3;
let member: Outrigger;

beforeAll(async () => {
  const sasl = { mechanisms: ['PLAIN'], users: PASSWORDS } as const;
  [kafka, redis, s3] = await Promise.all([startKafka({ sasl }), startRedis(), startS3()]);
  await redisCommand(redis.port, `CONFIG SET requirepass ${REDIS_PASSWORD}`);
  cut = await CutS3.start(s3.endpoint);
  member = await startOutrigger({
    kafkaBootstrap: kafka.bootstrap,
    redisUrl: redis.url,
    storeUrl: `s3://${s3.bucket}/log`,
    configs: {
      'kafka.security.protocol': 'SASL_PLAINTEXT',
      'kafka.sasl.username': 'outrigger',
      'kafka.sasl.password': PASSWORDS.outrigger,
      'redis.password': REDIS_PASSWORD,
      'store.s3.endpoint': cut.endpoint,
      'store.s3.path.style': true,
      'store.s3.access.key.id': s3.accessKeyId,
      'store.s3.secret.access.key': s3.secretAccessKey,
      'store.request.timeout.ms': 1_000,
      'wal.min.bytes': 0,
      'log.level': 'trace',
    },
  });
});

afterAll(async () => {
  await member.stop();
  await cut.stop();
  await Promise.all([kafka.stop(), redis.stop(), s3.stop()]);
});

function credentials(password: string): Record<string, string> {
  return {
    'security.protocol': 'SASL_PLAINTEXT',
    'sasl.mechanism': 'PLAIN',
    'sasl.username': 'app',
    'sasl.password': password,
  };
}

async function client(args: readonly string[], stdin = ''): Promise<string> {
  const properties = credentials(PASSWORDS.app);
  return kcat(['-b', member.bootstrap, '-K', ':', ...args], { stdin, properties });
}

async function produce(topic: string): Promise<void> {
  await client(['-P', '-t', topic], LINES.map((line) => `${line}\n`).join(''));
}

async function logged(message: RegExp): Promise<void> {
  await vi.waitFor(async () => {
    expect((await logOf(member)).some(({ msg }) => message.test(msg))).toBe(true);
  }, PATIENCE);
}

test('the log tells of what fails, and shows neither payload nor secret', async () => {
  const sasl = { mechanism: 'PLAIN', username: 'app', password: PASSWORDS.app } as const;
  const topic = await createTopic(member.bootstrap, { partitions: 1, sasl });
  await produce(topic);
  const consume = ['-C', '-t', topic, '-o', 'beginning', '-e', '-q'];
  expect((await client(consume)).split('\n').slice(0, -1)).toEqual(LINES);
  const entries = await logOf(member);
  expect(entries.filter(({ level }) => level > LEVEL_INFO)).toEqual([]);

  const refused = kcat(['-L', '-b', member.bootstrap], {
    properties: { ...credentials(WRONG_PASSWORD), 'socket.timeout.ms': '5000' },
  });
  await expect(refused).rejects.toThrow();
  cut.trouble = { kind: 'refuse' };
  const producing = produce(topic);
  await logged(/does not take writes/);
  cut.trouble = { kind: 'cut' };
  await logged(/still does not take writes/);
  cut.trouble = { kind: 'none' };
  await producing;
  await redisCommand(redis.port, `AUTH ${REDIS_PASSWORD}\r\nCONFIG SET requirepass other`);
  await redisCommand(redis.port, 'AUTH other\r\nCLIENT KILL TYPE normal');
  await logged(/Redis may not be used/);
  await member.stop();
  await member.start().catch(() => undefined);

  const log = await readFile(member.logFile, 'utf8');
  for (const secret of [...(await secrets()), PAYLOAD, KEY]) {
    for (const form of formsOf(secret)) expect(log).not.toContain(form);
  }
});

/** @returns everything that nobody may read in a log, the tag keys of the bucket included */
async function secrets(): Promise<string[]> {
  const { outrigger, app } = PASSWORDS;
  const found = [outrigger, app, WRONG_PASSWORD, REDIS_PASSWORD, s3.secretAccessKey];
  const folder = join(s3.bucketDir, 'log', 'keys');
  for (const name of await readdir(folder)) {
    // Written by `storage/bucket-identity.ts`.
    const key = JSON.parse(await readFile(join(folder, name), 'utf8')) as { secret: string };
    found.push(key.secret, Buffer.from(key.secret, 'base64').toString('hex'));
  }
  expect(found.length).toBeGreaterThan(5);
  return found;
}

/** As it is, and as buffers are written in logs: in hex, in base64, and as a list of numbers. */
function formsOf(secret: string): string[] {
  const bytes = Buffer.from(secret);
  return [secret, bytes.toString('hex'), bytes.toString('base64').slice(0, -4), bytes.join(',')];
}
