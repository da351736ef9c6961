/**
 * From configuration to a store: `file:///var/lib/outrigger` or `s3://bucket/prefix`. It owns what
 * the settings may be and says which one is wrong; it reads no environment, and a URL that carries
 * credentials is refused without being repeated.
 */
import { fileURLToPath } from 'node:url';
import type { Logger } from 'pino';
import { storageError } from './errors.ts';
import { FsObjectStore } from './fs-object-store.ts';
import { isKeySegment } from './object-key.ts';
import type { ObjectStore } from './object-store.ts';
import { pause } from './retry.ts';
import type { S3Credentials, S3StoreOptions } from './s3-client.ts';
import { S3ObjectStore } from './s3-object-store.ts';

/** What an operator may set for a bucket; what is left out has a default. */
export type S3Settings = Partial<Omit<S3StoreOptions, 'bucket' | 'prefix'>>;

export interface StoreOptions {
  readonly url: string;
  /** For `s3://` only. */
  readonly s3?: S3Settings;
}

export interface StoreDependencies {
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** That many random bytes. */
  readonly random: (byteCount: number) => Buffer;
  readonly logger: Logger;
}

export type StoreAddress =
  | { readonly kind: 'file'; readonly root: string }
  | { readonly kind: 's3'; readonly bucket: string; readonly prefix: string };

export const S3_DEFAULTS = {
  region: 'us-east-1',
  attemptsMax: 4,
  requestTimeoutMs: 30_000,
  connectTimeoutMs: 5_000,
  connectionsMax: 64,
  signPayload: false,
} as const;

/** S3 allows keys of 1,024 bytes; `KEY_BYTES_MAX` leaves this much. */
const PREFIX_BYTES_MAX = 120;
const BUCKET = /^[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]$/;

/**
 * Opens a folder, or makes ready to talk to a bucket; whether the bucket answers is for
 * `proveStore` to find out.
 *
 * @throws `STORAGE_CONFIG_INVALID`, or what opening a folder throws
 */
export async function openStore(
  options: StoreOptions,
  dependencies: StoreDependencies,
): Promise<ObjectStore> {
  const address = parseStoreUrl(options.url);
  if (address.kind === 'file') {
    return await FsObjectStore.open({ root: address.root, ...dependencies });
  }
  const { bucket, prefix } = address;
  const settings = options.s3 ?? {};
  const s3: S3StoreOptions = {
    forcePathStyle: settings.endpoint !== undefined,
    ...S3_DEFAULTS,
    ...settings,
    bucket,
    prefix,
  };
  if (s3.endpoint !== undefined) checkEndpoint(s3.endpoint);
  if (s3.credentials !== undefined) checkCredentials(s3.credentials);
  return new S3ObjectStore(s3, { ...dependencies, pause });
}

/** @throws `STORAGE_CONFIG_INVALID` for anything but a folder or a bucket with a prefix */
export function parseStoreUrl(text: string): StoreAddress {
  const url = parseUrl('store.url', text);
  if (url.protocol === 'file:') {
    if (url.host !== '') throw invalid('store.url', 'a file URL has three slashes: file:///folder');
    return { kind: 'file', root: fileURLToPath(url) };
  }
  if (url.protocol !== 's3:') throw invalid('store.url', 'it begins with file:// or s3://');
  const bucket = url.host;
  if (!BUCKET.test(bucket)) throw invalid('store.url', `"${bucket}" is no bucket name`);
  const segments = url.pathname.split('/').filter((segment) => segment !== '');
  if (!segments.every(isKeySegment) || url.pathname.length > PREFIX_BYTES_MAX) {
    throw invalid('store.url', `"${url.pathname}" is no prefix of letters, digits, ".", "_", "-"`);
  }
  return { kind: 's3', bucket, prefix: segments.map((segment) => `${segment}/`).join('') };
}

function parseUrl(setting: string, text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined) throw invalid(setting, 'it is no URL');
  if (url.username !== '' || url.password !== '') {
    throw invalid(setting, 'credentials do not belong in a URL; they have settings of their own');
  }
  if (url.search !== '' || url.hash !== '') throw invalid(setting, 'it has no "?" and no "#"');
  return url;
}

function checkEndpoint(endpoint: string): void {
  const { protocol, pathname } = parseUrl('store.s3.endpoint', endpoint);
  const isHttp = protocol === 'http:' || protocol === 'https:';
  if (isHttp && pathname === '/') return;
  throw invalid('store.s3.endpoint', 'it is http:// or https:// with a host, a port, and no path');
}

function checkCredentials({ accessKeyId, secretAccessKey }: S3Credentials): void {
  if (accessKeyId !== '' && secretAccessKey !== '') return;
  throw invalid('store.s3.access.key.id', 'key id and secret are both given or both left out');
}

function invalid(setting: string, reason: string): Error {
  return storageError('STORAGE_CONFIG_INVALID', `${setting} is wrong: ${reason}.`, {
    details: { setting },
  });
}
