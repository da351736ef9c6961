import { randomBytes } from 'node:crypto';
import * as files from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FsObjectStore, TEMPORARY_FILE_AGE_MS_MAX } from '../../../storage/index.ts';
import type { FileSystem } from '../../../storage/index.ts';
import { describeObjectStore, listKeys, outcomeCode } from './object-store-suite.ts';

let root: string;

beforeEach(async () => {
  root = await files.mkdtemp(join(tmpdir(), 'outrigger-store-'));
});

afterEach(async () => {
  await files.rm(root, { recursive: true });
});

async function open(overrides: Partial<FileSystem> = {}): Promise<FsObjectStore> {
  return await FsObjectStore.open({
    root,
    now: () => Date.now(),
    random: randomBytes,
    files: { ...files, ...overrides },
  });
}

/** A failure as node:fs reports it. */
function failure(code: string): Error {
  return Object.assign(new Error(`${code}: made to fail`), { code });
}

async function temporaryFiles(): Promise<string[]> {
  return await files.readdir(join(root, '~tmp'));
}

describe('filesystem store', () => {
  let store: FsObjectStore;

  beforeEach(async () => {
    store = await open();
  });

  afterEach(async () => {
    expect(await temporaryFiles()).toEqual([]);
    await store.close();
  });

  describeObjectStore(() => store);
});

test('a disk that is full is named as such, and no part of an object stays', async () => {
  const store = await open({
    open: async (...args) => {
      const handle = await files.open(...args);
      let writes = 0;
      const writev = handle.writev.bind(handle);
      const writeSome = async (): Promise<unknown> => {
        writes += 1;
        if (writes > 1) throw failure('ENOSPC');
        // As a disk does that is filling up: it still takes a part.
        return await writev([Buffer.alloc(10)]);
      };
      return Object.defineProperty(handle, 'writev', { value: writeSome });
    },
  });
  await expect(store.put('a/b', Buffer.alloc(100))).rejects.toMatchObject({
    code: 'STORAGE_FULL',
    retriable: true,
    details: { key: 'a/b', ambiguous: false },
  });
  expect(await outcomeCode(store.putIfAbsent('a/c', Buffer.alloc(100)))).toBe('STORAGE_FULL');
  expect(await store.get('a/b')).toEqual({ kind: 'missing' });
  expect(await listKeys(store, '')).toEqual([]);
  expect(await temporaryFiles()).toEqual([]);
});

test('a disk that fills up really is named as such', async () => {
  const store = await open({
    open: async (path, flags) => {
      return await files.open(flags === 'wx' ? '/dev/full' : path, flags === 'wx' ? 'w' : flags);
    },
  });
  expect(await outcomeCode(store.put('a', Buffer.alloc(100)))).toBe('STORAGE_FULL');
});

test('a put that fails keeps the old object', async () => {
  await (await open()).put('a', Buffer.from('old'));
  const store = await open({ rename: async () => await Promise.reject(failure('EIO')) });
  expect(await outcomeCode(store.put('a', Buffer.from('new')))).toBe('STORAGE_UNAVAILABLE');
  expect(await store.get('a')).toEqual({ kind: 'found', bytes: Buffer.from('old') });
  expect(await temporaryFiles()).toEqual([]);
});

test('an object is durable before a put returns: file, folder, and new folders above it', async () => {
  const synced: string[] = [];
  const record = async (...args: Parameters<FileSystem['open']>) => {
    const handle = await files.open(...args);
    const sync = handle.sync.bind(handle);
    handle.sync = async () => {
      synced.push(String(args[0]).replace(/~tmp\/.*/, 'temporary'));
      await sync();
    };
    return handle;
  };
  const store = await open({ open: record });
  synced.length = 0;
  await store.put('wal/deep/object', Buffer.alloc(1));
  expect(synced.map((path) => path.replace(root, ''))).toEqual([
    '/temporary',
    '',
    '/wal',
    '/wal/deep',
  ]);
  synced.length = 0;
  await Promise.all([1, 2, 3, 4, 5].map(async (i) => await store.put(`wal/${i}`, Buffer.alloc(1))));
  expect(synced.filter((path) => path.endsWith('/temporary'))).toHaveLength(5);
  expect(synced.filter((path) => path.endsWith('/wal')).length).toBeGreaterThan(0);
});

test('a failure after an object became visible says that it may have taken effect', async () => {
  const fail = { now: false };
  const store = await open({
    open: async (path, ...rest) => {
      if (fail.now && path === join(root, 'wal')) throw failure('EIO');
      return await files.open(path, ...rest);
    },
  });
  await store.put('wal/0', Buffer.alloc(1));
  fail.now = true;
  await expect(store.putIfAbsent('wal/1', Buffer.alloc(1))).rejects.toMatchObject({
    code: 'STORAGE_UNAVAILABLE',
    details: { ambiguous: true },
  });
});

test('a volume that vanished is never taken for missing objects', async () => {
  const store = await open();
  await store.put('a/b', Buffer.alloc(1));
  const away = `${root}-away`;
  await files.rename(root, away);
  await files.mkdir(root);
  for (const call of [
    async () => await store.get('a/b'),
    async () => await store.getRange('a/b', 0, 1),
    async () => await store.head('a/b'),
    async () => await store.delete(['a/b']),
    async () => await store.put('a/c', Buffer.alloc(1)),
    async () => await listKeys(store, ''),
  ]) {
    expect(await outcomeCode(call())).toBe('STORAGE_BUCKET_MISSING');
  }
  await files.rm(root, { recursive: true });
  await files.rename(away, root);
  expect((await store.get('a/b')).kind).toBe('found');
});

test('what a crashed writer left is removed at the next start, by age', async () => {
  await open();
  const nowMs = Date.now();
  const [old, young] = ['old', 'young'].map((name) => join(root, '~tmp', name));
  for (const path of [old, young]) await files.writeFile(path ?? '', 'partial');
  const oldMs = nowMs - TEMPORARY_FILE_AGE_MS_MAX - 60_000;
  await files.utimes(old ?? '', oldMs / 1000, oldMs / 1000);
  const store = await FsObjectStore.open({ root, now: () => nowMs, random: randomBytes });
  expect(await temporaryFiles()).toEqual(['young']);
  expect(await listKeys(store, '')).toEqual([]);
});

test('a filesystem without hard links is refused with a clear error', async () => {
  const store = await open({ link: async () => await Promise.reject(failure('EPERM')) });
  expect(await outcomeCode(store.putIfAbsent('a', Buffer.alloc(1)))).toBe(
    'STORAGE_CONDITIONAL_WRITES_UNSUPPORTED',
  );
});

test('a folder whose parent is missing, or that is not writable, is refused at start', async () => {
  const options = { now: () => 0, random: randomBytes };
  const nowhere = FsObjectStore.open({ ...options, root: join(root, 'no', 'where') });
  expect(await outcomeCode(nowhere)).toBe('STORAGE_BUCKET_MISSING');
  const denied = open({ mkdir: async () => await Promise.reject(failure('EACCES')) });
  expect(await outcomeCode(denied)).toBe('STORAGE_DENIED');
});

test('objects are not readable for everyone', async () => {
  const store = await open();
  await store.put('keys/00.json', Buffer.from('secret'));
  const { mode } = await files.stat(join(root, 'keys/00.json'));
  expect(mode & 0o007).toBe(0);
});
