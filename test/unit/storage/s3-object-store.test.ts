import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { crc32c } from '@node-rs/crc32';
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { S3ObjectStore, type S3StoreOptions } from '../../../storage/index.ts';
import {
  answer,
  errorAnswer,
  hangUp,
  ScriptedS3,
  silence,
  tornAnswer,
} from '../../support/scripted-s3.ts';
import { listKeys, outcomeCode } from './object-store-suite.ts';

const SECRET = 'the-secret-access-key';
let server: ScriptedS3;
let store: S3ObjectStore;
let pauses: number[];

function open(overrides: Partial<S3StoreOptions> = {}): S3ObjectStore {
  const options = {
    bucket: 'bucket',
    prefix: 'prefix/',
    region: 'us-east-1',
    endpoint: server.endpoint,
    forcePathStyle: true,
    credentials: { accessKeyId: 'id', secretAccessKey: SECRET },
    attemptsMax: 3,
    requestTimeoutMs: 10_000,
    connectTimeoutMs: 5_000,
    connectionsMax: 8,
    signPayload: false,
    ...overrides,
  };
  return new S3ObjectStore(options, {
    random: randomBytes,
    pause: async (ms) => void pauses.push(ms),
    logger: pino({ enabled: false }),
  });
}

async function failureOf(call: Promise<unknown>): Promise<unknown> {
  return await call.then(
    () => 'accepted',
    (error: unknown) => error,
  );
}

beforeAll(async () => {
  server = await ScriptedS3.start();
  store = open();
});

beforeEach(() => {
  pauses = [];
});

afterAll(async () => {
  await store.close();
  await server.stop();
});

const body = Buffer.from('some bytes');

describe('what is sent', () => {
  test('a put carries its CRC32C and condition, and the body is not hashed again', async () => {
    server.script(answer(200), answer(200));
    await store.putIfAbsent('wal/1', body);
    await open({ signPayload: true }).put('wal/2', body, { crc32c: 0x01020304 });
    const [first, second] = server.requests;
    expect(first).toMatchObject({
      method: 'PUT',
      path: '/bucket/prefix/wal/1?x-id=PutObject',
      body,
    });
    const checksum = Buffer.alloc(4);
    checksum.writeUInt32BE(crc32c(body));
    expect(first?.headers).toMatchObject({
      'if-none-match': '*',
      'content-length': String(body.length),
      'x-amz-checksum-crc32c': checksum.toString('base64'),
      'x-amz-content-sha256': 'UNSIGNED-PAYLOAD',
    });
    expect(first?.headers['expect']).toBeUndefined();
    expect(first?.headers['authorization']).toContain('x-amz-checksum-crc32c');
    expect(second?.headers['if-none-match']).toBeUndefined();
    expect(second?.headers['x-amz-checksum-crc32c']).toBe('AQIDBA==');
    expect(second?.headers['x-amz-content-sha256']).toMatch(/^[0-9a-f]{64}$/);
  });
});

describe('errors of the server', () => {
  test('a 503 is repeated until the attempts are used up', async () => {
    server.script(
      errorAnswer(503, 'SlowDown'),
      errorAnswer(500, 'InternalError'),
      answer(200, 'x'),
    );
    expect(await store.get('a')).toEqual({ kind: 'found', bytes: Buffer.from('x') });
    expect(pauses).toHaveLength(2);
    server.script(...Array.from({ length: 3 }, () => errorAnswer(503, 'SlowDown')), answer(200));
    expect(await failureOf(store.get('a'))).toMatchObject({
      code: 'STORAGE_UNAVAILABLE',
      retriable: true,
      details: { key: 'a', status: 503, name: 'SlowDown', ambiguous: false },
    });
    expect(server.requests).toHaveLength(3);
  });

  test('a refusal is not repeated and names what to do', async () => {
    for (const [status, name, code] of [
      [403, 'AccessDenied', 'STORAGE_DENIED'],
      [403, 'InvalidAccessKeyId', 'STORAGE_DENIED'],
      [404, 'NoSuchBucket', 'STORAGE_BUCKET_MISSING'],
      [400, 'AuthorizationHeaderMalformed', 'STORAGE_CONFIG_INVALID'],
      [301, 'PermanentRedirect', 'STORAGE_CONFIG_INVALID'],
      [400, 'EntityTooLarge', 'STORAGE_REFUSED'],
      [501, 'NotImplemented', 'STORAGE_REFUSED'],
    ] as const) {
      server.script(errorAnswer(status, name), answer(200));
      const error = await failureOf(store.put('a', body));
      expect(error).toMatchObject({ code, retriable: false, details: { ambiguous: false } });
      expect(String(error)).toContain(`a in s3://bucket/prefix/ at ${server.endpoint}`);
      expect(server.requests).toHaveLength(1);
    }
  });

  test('a store that is full says so', async () => {
    server.script(...Array.from({ length: 3 }, () => errorAnswer(507, 'XMinioStorageFull')));
    expect(await outcomeCode(store.put('a', body))).toBe('STORAGE_FULL');
  });

  test('damage on the way is repaired by a repetition', async () => {
    server.script(errorAnswer(400, 'BadDigest'), answer(200));
    await store.put('a', body);
    expect(server.requests).toHaveLength(2);
  });

  test('a 404 that is not a store speaking is never taken for a missing object', async () => {
    server.script(answer(404, '<html>nginx</html>'));
    expect(await outcomeCode(store.get('a'))).toBe('STORAGE_REFUSED');
    server.script(errorAnswer(404, 'NoSuchKey'));
    expect(await store.get('a')).toEqual({ kind: 'missing' });
    server.script(answer(404), answer(404));
    expect(await outcomeCode(store.head('a'))).toBe('STORAGE_BUCKET_MISSING');
    server.script(answer(404), answer(200));
    expect(await store.head('a')).toEqual({ kind: 'missing' });
  });

  test('an error page of something in between is an error, and repeated', async () => {
    server.script(answer(502, '<html>Bad Gateway</html>'), answer(200, 'x'));
    expect((await store.get('a')).kind).toBe('found');
  });

  test('an error for one of many deleted keys is an error', async () => {
    const result = (code: string): string =>
      `<DeleteResult><Error><Key>prefix/b</Key><Code>${code}</Code></Error></DeleteResult>`;
    server.script(answer(200, result('AccessDenied')));
    expect(await outcomeCode(store.delete(['a', 'b']))).toBe('STORAGE_DENIED');
    server.script(answer(200, result('InternalError')), answer(200, '<DeleteResult/>'));
    await store.delete(['a', 'b']);
    server.script(answer(200, result('NoSuchKey')));
    await store.delete(['a', 'b']);
  });

  test('no error carries the secret', async () => {
    server.script(
      errorAnswer(403, 'SignatureDoesNotMatch', 'no match'),
      errorAnswer(403, 'InvalidAccessKeyId', 'id'),
    );
    for (let i = 0; i < 2; i++) {
      const lines: string[] = [];
      const logger = pino({}, { write: (line: string) => void lines.push(line) });
      logger.error({ err: await failureOf(store.put('a', body)) });
      expect(lines).toHaveLength(1);
      expect(lines.join('')).not.toContain(SECRET);
      expect(lines.join('')).not.toContain('Signature=');
    }
  });
});

describe('reads', () => {
  test('a torn body is read again', async () => {
    server.script(tornAnswer(1000, 500), answer(200, 'whole'));
    expect(await store.get('a')).toEqual({ kind: 'found', bytes: Buffer.from('whole') });
    server.script(...Array.from({ length: 3 }, () => tornAnswer(1000, 500)));
    expect(await failureOf(store.get('a'))).toMatchObject({ retriable: true });
  });

  test('a server that ignores ranges is found out', async () => {
    server.script(answer(200, 'the whole object'));
    expect(await outcomeCode(store.getRange('a', 4, 5))).toBe('STORAGE_INCONSISTENT');
    server.script(answer(206, 'other', { 'content-range': 'bytes 0-4/16' }));
    expect(await outcomeCode(store.getRange('a', 4, 5))).toBe('STORAGE_INCONSISTENT');
    server.script(answer(206, 'longer', { 'content-range': 'bytes 4-9/16' }));
    expect(await outcomeCode(store.getRange('a', 4, 5))).toBe('STORAGE_REFUSED');
    server.script(answer(206, 'right', { 'content-range': 'bytes 4-8/16' }));
    expect(await store.getRange('a', 4, 5)).toEqual({ kind: 'found', bytes: Buffer.from('right') });
    expect(server.requests[0]?.headers['range']).toBe('bytes=4-8');
  });

  test('an object too large to be read in one piece is refused, not read', async () => {
    server.script(answer(200, '', { 'content-length': String(1024 * 1024 * 1024) }));
    expect(await outcomeCode(store.get('a'))).toBe('STORAGE_REFUSED');
  });

  test('a listing that cannot be continued is an error', async () => {
    const page = '<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>';
    server.script(answer(200, page));
    expect(await outcomeCode(listKeys(store, ''))).toBe('STORAGE_INCONSISTENT');
  });
});

describe('a put-if-absent', () => {
  const exists = errorAnswer(412, 'PreconditionFailed');

  test('that meets another write under way is repeated', async () => {
    server.script(errorAnswer(409, 'ConditionalRequestConflict'), answer(200));
    expect(await store.putIfAbsent('a', body)).toEqual({ kind: 'stored' });
    server.script(errorAnswer(409, 'ConditionalRequestConflict'), exists);
    expect(await store.putIfAbsent('a', body)).toEqual({ kind: 'exists' });
  });

  test('whose answer was lost never takes what it then finds for another one’s', async () => {
    for (const lost of [hangUp, errorAnswer(500, 'InternalError'), errorAnswer(503, 'SlowDown')]) {
      server.script(lost, exists);
      expect(await failureOf(store.putIfAbsent('a', body))).toMatchObject({
        code: 'STORAGE_AMBIGUOUS',
        details: { ambiguous: true },
      });
      expect(server.requests).toHaveLength(2);
    }
  });

  test('whose answer was lost is stored if a repetition is', async () => {
    server.script(hangUp, answer(200));
    expect(await store.putIfAbsent('a', body)).toEqual({ kind: 'stored' });
  });

  test('that was in doubt once says so whatever ends it', async () => {
    server.script(hangUp, errorAnswer(403, 'AccessDenied'));
    expect(await failureOf(store.putIfAbsent('a', body))).toMatchObject({
      code: 'STORAGE_DENIED',
      details: { ambiguous: true },
    });
  });
});

describe('a store that does not answer', () => {
  test('times out, and a write is in doubt', async () => {
    const hasty = open({ requestTimeoutMs: 50, attemptsMax: 2 });
    server.script(silence, silence);
    expect(await failureOf(hasty.putIfAbsent('a', body))).toMatchObject({
      code: 'STORAGE_TIMEOUT',
      retriable: true,
      details: { ambiguous: true },
    });
    expect(server.requests).toHaveLength(2);
    server.script(silence, silence);
    expect(await failureOf(hasty.get('a'))).toMatchObject({
      code: 'STORAGE_TIMEOUT',
      details: { ambiguous: false },
    });
    await hasty.close();
  });

  test('times out in the middle of a body', async () => {
    const hasty = open({ requestTimeoutMs: 50, attemptsMax: 1 });
    server.script((response) => {
      response.writeHead(200, { 'content-length': '100' }).write('a part');
    });
    expect(await outcomeCode(hasty.get('a'))).toBe('STORAGE_TIMEOUT');
    await hasty.close();
  });

  test('times out when it accepts connections and is dead', async () => {
    const blackHole = createServer(() => undefined).listen(0, '127.0.0.1');
    await once(blackHole, 'listening');
    const address = blackHole.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    const dead = open({ endpoint: `http://127.0.0.1:${port}`, requestTimeoutMs: 50 });
    expect(await outcomeCode(dead.put('a', randomBytes(4_000_000)))).toBe('STORAGE_TIMEOUT');
    expect(pauses).toHaveLength(2);
    await dead.close();
    blackHole.close();
  });

  test('and refuses connections is unreachable, without doubt', async () => {
    const closed = await ScriptedS3.start();
    const { endpoint } = closed;
    await closed.stop();
    const unreachable = open({ endpoint });
    const error = await failureOf(unreachable.putIfAbsent('a', body));
    expect(error).toMatchObject({
      code: 'STORAGE_UNAVAILABLE',
      retriable: true,
      details: { ambiguous: false, name: 'ECONNREFUSED' },
    });
    expect(String(error)).toContain(endpoint);
    await unreachable.close();
  });

  test('and has no such name is unreachable', async () => {
    const unknown = open({ endpoint: 'http://no-such-host.invalid', attemptsMax: 1 });
    expect(await outcomeCode(unknown.get('a'))).toBe('STORAGE_UNAVAILABLE');
    await unknown.close();
  });

  test('is not waited for when the caller gives up', async () => {
    const controller = new AbortController();
    server.script((_response) => controller.abort(new Error('enough')), answer(200));
    expect(await failureOf(store.put('a', body, { signal: controller.signal }))).toMatchObject({
      code: 'STORAGE_ABORTED',
      retriable: false,
      details: { ambiguous: true },
    });
    expect(server.requests).toHaveLength(1);
  });
});
