/**
 * An object store in a folder, for one host or a shared filesystem with hard links. An object
 * appears whole or not at all: its bytes are written to a temporary file and synced, then linked
 * (put-if-absent) or renamed (put) to its name, and the folder is synced. It promises what
 * `ObjectStore` does across processes and power cuts, as far as the filesystem keeps its word.
 *
 * Keys are paths below the root. The temporary files live in a folder whose name no key can have;
 * that folder also marks the root, so that an unmounted volume is never taken for an empty store.
 */
import * as nodeFiles from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { crc32c } from '@node-rs/crc32';
import { storageError } from './errors.ts';
import { readFully, writeFully, type FileSystem } from './file-system.ts';
import { DirectorySync } from './fs-directory-sync.ts';
import { errno, fsError, linkError } from './fs-errors.ts';
import { listFolder } from './fs-list.ts';
import { checkKey } from './object-key.ts';
import {
  GET_BYTES_MAX,
  type CallOptions,
  type GetOutcome,
  type HeadOutcome,
  type ListedObject,
  type ListOptions,
  type ObjectBody,
  type ObjectStore,
  type PutIfAbsentOutcome,
  type PutOptions,
  type RangeOptions,
} from './object-store.ts';

export interface FsObjectStoreOptions {
  /** Absolute path of an existing folder, or of one to be made in an existing folder. */
  readonly root: string;
  /** Milliseconds since the epoch; decides which temporary files are leftovers. */
  readonly now: () => number;
  /** That many random bytes, for names of temporary files. */
  readonly random: (byteCount: number) => Buffer;
  readonly files?: FileSystem;
}

/** No key holds a tilde. */
const TEMPORARY_FOLDER = '~tmp';

/** No write takes that long; a younger file may be that of a live process. */
export const TEMPORARY_FILE_AGE_MS_MAX = 60 * 60 * 1000;

/** Tag keys are among the objects: nothing is readable for everyone. */
const FILE_MODE = 0o640;
const FOLDER_MODE = 0o750;

type Publish = 'replace' | 'if-absent';

export class FsObjectStore implements ObjectStore {
  readonly location: string;
  readonly #root: string;
  readonly #temporary: string;
  readonly #random: (byteCount: number) => Buffer;
  readonly #files: FileSystem;
  readonly #sync: DirectorySync;

  private constructor(options: FsObjectStoreOptions) {
    this.location = `file://${options.root}`;
    this.#root = options.root;
    this.#temporary = join(options.root, TEMPORARY_FOLDER);
    this.#random = options.random;
    this.#files = options.files ?? nodeFiles;
    this.#sync = new DirectorySync(this.#files);
  }

  /**
   * Opens the folder, makes it if its parent is there, and removes what crashed writers left.
   *
   * @throws `STORAGE_BUCKET_MISSING`, `STORAGE_DENIED` or `STORAGE_FULL`
   */
  static async open(options: FsObjectStoreOptions): Promise<FsObjectStore> {
    const store = new FsObjectStore(options);
    try {
      await store.#makeFolder(store.#root);
      await store.#makeFolder(store.#temporary);
      await store.#removeLeftovers(options.now());
    } catch (error) {
      throw fsError(error, 'open', store.location);
    }
    return store;
  }

  async put(key: string, body: ObjectBody, options: PutOptions = {}): Promise<void> {
    await this.#write(key, body, options, 'replace');
  }

  async putIfAbsent(
    key: string,
    body: ObjectBody,
    options: PutOptions = {},
  ): Promise<PutIfAbsentOutcome> {
    return await this.#write(key, body, options, 'if-absent');
  }

  async get(key: string, options: CallOptions = {}): Promise<GetOutcome> {
    return await this.#read(key, options, 0, undefined);
  }

  async getRange(
    key: string,
    position: number,
    length: number,
    options: RangeOptions = {},
  ): Promise<GetOutcome> {
    return await this.#read(key, options, position, length);
  }

  async head(key: string, options: CallOptions = {}): Promise<HeadOutcome> {
    const path = this.#path(key, options);
    try {
      const stat = await this.#files.stat(path);
      if (!stat.isFile()) return { kind: 'missing' };
      return { kind: 'found', byteCount: stat.size, modifiedMs: stat.mtimeMs };
    } catch (error) {
      return await this.#missing(error, key);
    }
  }

  async delete(keys: readonly string[], options: CallOptions = {}): Promise<void> {
    const folders = new Set<string>();
    for (const key of keys) {
      const path = this.#path(key, options);
      try {
        await this.#files.unlink(path);
        folders.add(dirname(path));
      } catch (error) {
        await this.#missing(error, key);
      }
    }
    for (const folder of folders) {
      await this.#sync.sync(folder).catch((error: unknown) => {
        throw fsError(error, 'delete from', this.location);
      });
    }
  }

  async *list(prefix: string, options: ListOptions = {}): AsyncIterable<ListedObject> {
    this.#checkSignal(options);
    try {
      await this.#files.stat(this.#temporary);
      for await (const listed of listFolder(this.#files, this.#root, prefix, options.startAfter)) {
        this.#checkSignal(options);
        yield listed;
      }
    } catch (error) {
      throw fsError(error, 'list', this.location);
    }
  }

  async close(): Promise<void> {
    // Files are opened and closed within each call: there is nothing to give back.
  }

  #path(key: string, options: CallOptions): string {
    this.#checkSignal(options);
    checkKey(key);
    return join(this.#root, key);
  }

  #checkSignal({ signal }: CallOptions): void {
    if (signal?.aborted !== true) return;
    throw storageError('STORAGE_ABORTED', `A call to ${this.location} was given up.`, {
      cause: signal.reason,
    });
  }

  /** A key that is not there is an outcome; a root that is not there is not. */
  async #missing(error: unknown, key: string): Promise<{ readonly kind: 'missing' }> {
    const code = errno(error);
    if (code !== 'ENOENT' && code !== 'ENOTDIR') throw fsError(error, 'read', this.location, key);
    try {
      await this.#files.stat(this.#temporary);
    } catch (rootError) {
      throw fsError(rootError, 'read', this.location, key);
    }
    return { kind: 'missing' };
  }

  async #read(
    key: string,
    options: RangeOptions,
    position: number,
    length: number | undefined,
  ): Promise<GetOutcome> {
    const path = this.#path(key, options);
    let handle: nodeFiles.FileHandle;
    try {
      handle = await this.#files.open(path, 'r');
    } catch (error) {
      return await this.#missing(error, key);
    }
    try {
      const stat = await handle.stat();
      if (!stat.isFile()) return { kind: 'missing' };
      if (length === undefined) this.#checkSize(key, stat.size);
      const wanted = Math.min(length ?? stat.size, Math.max(0, stat.size - position));
      return { kind: 'found', bytes: await readFully(handle, position, wanted, options.allocate) };
    } catch (error) {
      throw fsError(error, 'read', this.location, key);
    } finally {
      await handle.close();
    }
  }

  #checkSize(key: string, byteCount: number): void {
    if (byteCount <= GET_BYTES_MAX) return;
    throw storageError(
      'STORAGE_REFUSED',
      `${key} in ${this.location} has ${byteCount} bytes: too large to be read in one piece.`,
      { details: { key, byteCount } },
    );
  }

  async #write(
    key: string,
    body: ObjectBody,
    options: PutOptions,
    publish: Publish,
  ): Promise<PutIfAbsentOutcome> {
    const path = this.#path(key, options);
    const pieces = Buffer.isBuffer(body) ? [body] : body;
    checkCrc(key, pieces, options.crc32c);
    const temporary = join(this.#temporary, this.#random(16).toString('hex'));
    let published = false;
    try {
      await this.#writeTemporary(temporary, pieces);
      this.#checkSignal(options);
      published = await this.#publish(temporary, path, publish);
      if (published) await this.#sync.sync(dirname(path));
    } catch (error) {
      throw fsError(error, 'write', this.location, key, published);
    } finally {
      if (!published || publish === 'if-absent') await this.#discard(temporary);
    }
    return { kind: published ? 'stored' : 'exists' };
  }

  async #writeTemporary(temporary: string, pieces: readonly Buffer[]): Promise<void> {
    const handle = await this.#files.open(temporary, 'wx', FILE_MODE);
    try {
      await writeFully(handle, pieces);
      await handle.sync();
    } finally {
      await handle.close();
    }
  }

  /** @returns false if something is there already */
  async #publish(temporary: string, path: string, publish: Publish): Promise<boolean> {
    try {
      return await this.#publishOnce(temporary, path, publish);
    } catch (error) {
      if (errno(error) !== 'ENOENT') throw error;
    }
    await this.#makeFolder(dirname(path));
    return await this.#publishOnce(temporary, path, publish);
  }

  async #publishOnce(temporary: string, path: string, publish: Publish): Promise<boolean> {
    if (publish === 'replace') {
      await this.#files.rename(temporary, path);
      return true;
    }
    try {
      await this.#files.link(temporary, path);
      return true;
    } catch (error) {
      if (errno(error) === 'EEXIST') return false;
      throw linkError(error, this.location);
    }
  }

  /** Makes a folder and those above it, up to the root, so that they survive a power cut. */
  async #makeFolder(folder: string): Promise<void> {
    let made = true;
    try {
      await this.#files.mkdir(folder, { mode: FOLDER_MODE });
    } catch (error) {
      if (errno(error) === 'ENOENT' && folder !== this.#root) {
        await this.#makeFolder(dirname(folder));
        await this.#makeFolder(folder);
        return;
      }
      if (errno(error) !== 'EEXIST') throw error;
      made = false;
    }
    // Another process may have made it and not synced it yet. The root's parent is not ours.
    if (made || folder !== this.#root) await this.#sync.sync(dirname(folder));
  }

  /** A temporary file that stays behind is found by age at the next start. */
  async #discard(temporary: string): Promise<void> {
    try {
      await this.#files.unlink(temporary);
    } catch (error) {
      if (errno(error) !== 'ENOENT') throw fsError(error, 'tidy', this.location);
    }
  }

  async #removeLeftovers(nowMs: number): Promise<void> {
    for (const name of await this.#files.readdir(this.#temporary)) {
      const path = join(this.#temporary, name);
      try {
        const { mtimeMs } = await this.#files.stat(path);
        if (nowMs - mtimeMs > TEMPORARY_FILE_AGE_MS_MAX) await this.#files.unlink(path);
      } catch (error) {
        // Its writer, or another member that starts, was quicker.
        if (errno(error) !== 'ENOENT') throw error;
      }
    }
  }
}

function checkCrc(key: string, pieces: readonly Buffer[], expected: number | undefined): void {
  if (expected === undefined) return;
  let actual = 0;
  for (const piece of pieces) actual = crc32c(piece, actual);
  if (actual === expected) return;
  throw storageError('STORAGE_CORRUPT', `The bytes for ${key} do not have the CRC32C given.`, {
    details: { key, expected, actual },
  });
}
