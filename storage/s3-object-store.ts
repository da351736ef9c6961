/**
 * An object store in an S3 bucket, or in any server that speaks S3 and honours `If-None-Match: *`
 * (proved at start by `prove-store.ts`). It promises what `ObjectStore` does. It never follows what
 * it cannot tell: a 404 that is not the store's own, a range that is not the one asked for, and a
 * conditional put whose answer was lost are errors.
 */
import {
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type GetObjectCommandOutput,
  type ListObjectsV2CommandOutput,
  type S3Client,
} from '@aws-sdk/client-s3';
import { crc32c } from '@node-rs/crc32';
import type { Logger } from 'pino';
import { storageError } from './errors.ts';
import { checkKey, isKey } from './object-key.ts';
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
import { retry, withDeadline, type RetryDependencies } from './retry.ts';
import { checkRange, readBody } from './s3-body.ts';
import { createS3Client, type S3StoreOptions } from './s3-client.ts';
import { s3Answer, s3Error, type S3Call } from './s3-errors.ts';

export interface S3Dependencies extends RetryDependencies {
  readonly logger: Logger;
}

/** The most that one DeleteObjects takes. */
const DELETE_KEYS_MAX = 1000;

export class S3ObjectStore implements ObjectStore {
  readonly location: string;
  readonly #options: S3StoreOptions;
  readonly #dependencies: S3Dependencies;
  readonly #client: S3Client;

  constructor(options: S3StoreOptions, dependencies: S3Dependencies) {
    const endpoint = options.endpoint === undefined ? '' : ` at ${options.endpoint}`;
    this.location = `s3://${options.bucket}/${options.prefix}${endpoint}`;
    this.#options = options;
    this.#dependencies = dependencies;
    this.#client = createS3Client(options, dependencies.logger);
  }

  async put(key: string, body: ObjectBody, options: PutOptions = {}): Promise<void> {
    await this.#write(key, body, options, false);
  }

  async putIfAbsent(
    key: string,
    body: ObjectBody,
    options: PutOptions = {},
  ): Promise<PutIfAbsentOutcome> {
    return await this.#write(key, body, options, true);
  }

  async get(key: string, options: CallOptions = {}): Promise<GetOutcome> {
    return await this.#read(key, options, {}, async (output, where) => {
      return await readBody(output, GET_BYTES_MAX, where);
    });
  }

  async getRange(
    key: string,
    position: number,
    length: number,
    options: RangeOptions = {},
  ): Promise<GetOutcome> {
    const range = { Range: `bytes=${position}-${position + length - 1}` };
    return await this.#read(key, options, range, async (output, where) => {
      checkRange(output, position, where);
      return await readBody(output, length, where, options.allocate);
    });
  }

  async head(key: string, options: CallOptions = {}): Promise<HeadOutcome> {
    const call = this.#call('read', key, options);
    return await this.#attempts(call, async (abortSignal): Promise<HeadOutcome> => {
      try {
        const command = new HeadObjectCommand(this.#address(key));
        const output = await this.#client.send(command, { abortSignal });
        return {
          kind: 'found',
          byteCount: output.ContentLength ?? 0,
          modifiedMs: output.LastModified?.getTime() ?? 0,
        };
      } catch (error) {
        if (s3Answer(error).status !== 404) throw error;
      }
      // The answer to a HEAD has no body that tells a missing object from a missing bucket.
      await this.#headBucket(abortSignal);
      return { kind: 'missing' };
    });
  }

  async delete(keys: readonly string[], options: CallOptions = {}): Promise<void> {
    for (const key of keys) checkKey(key);
    const call = this.#call('delete from', undefined, options, true);
    for (let i = 0; i < keys.length; i += DELETE_KEYS_MAX) {
      const page = keys.slice(i, i + DELETE_KEYS_MAX);
      await this.#attempts(call, async (signal) => await this.#deletePage(page, signal));
    }
  }

  async *list(prefix: string, options: ListOptions = {}): AsyncIterable<ListedObject> {
    const call = this.#call('list', undefined, options);
    const startAfter = options.startAfter && this.#options.prefix + options.startAfter;
    let continuationToken: string | undefined;
    do {
      const page = await this.#attempts(call, async (abortSignal) => {
        const command = new ListObjectsV2Command({
          Bucket: this.#options.bucket,
          Prefix: this.#options.prefix + prefix,
          StartAfter: startAfter,
          ContinuationToken: continuationToken,
        });
        return await this.#client.send(command, { abortSignal });
      });
      yield* this.#listed(page);
      continuationToken = page.IsTruncated === true ? page.NextContinuationToken : undefined;
      if (page.IsTruncated === true && continuationToken === undefined) {
        throw storageError(
          'STORAGE_INCONSISTENT',
          `A listing of ${this.location} is cut short and cannot be continued.`,
        );
      }
    } while (continuationToken !== undefined);
  }

  async close(): Promise<void> {
    this.#client.destroy();
  }

  #call(action: string, key: string | undefined, options: CallOptions, writes = false): S3Call {
    if (key !== undefined) checkKey(key);
    return { location: this.location, action, key, writes, signal: options.signal };
  }

  #address(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.#options.bucket, Key: this.#options.prefix + key };
  }

  /**
   * Repeats an attempt as long as that makes sense; each has its own deadline, and is told whether
   * an earlier one may have taken effect although it failed.
   */
  async #attempts<Result>(
    call: S3Call,
    attempt: (signal: AbortSignal, inDoubt: boolean) => Promise<Result>,
  ): Promise<Result> {
    const { attemptsMax, requestTimeoutMs } = this.#options;
    let inDoubt = false;
    return await retry(attemptsMax, this.#dependencies, call.signal, async () => {
      try {
        const work = async (signal: AbortSignal) => await attempt(signal, inDoubt);
        return await withDeadline(requestTimeoutMs, call.signal, work);
      } catch (error) {
        const failure = s3Error(error, call, inDoubt);
        inDoubt = failure.details['ambiguous'] === true;
        this.#dependencies.logger.debug({ err: failure }, 'an attempt at object storage failed');
        throw failure;
      }
    });
  }

  async #write(
    key: string,
    body: ObjectBody,
    options: PutOptions,
    ifAbsent: boolean,
  ): Promise<PutIfAbsentOutcome> {
    const call = this.#call('write', key, options, true);
    const bytes = inOnePiece(body);
    const checksum = Buffer.allocUnsafe(4);
    checksum.writeUInt32BE(options.crc32c ?? crc32c(bytes));
    const input = {
      ...this.#address(key),
      Body: bytes,
      ContentLength: bytes.length,
      ChecksumCRC32C: checksum.toString('base64'),
      ...(ifAbsent ? { IfNoneMatch: '*' } : {}),
    };
    const kind = await this.#attempts(call, async (abortSignal, inDoubt) => {
      try {
        await this.#client.send(new PutObjectCommand(input), { abortSignal });
        return 'stored';
      } catch (error) {
        if (!ifAbsent || s3Answer(error).status !== 412) throw error;
        return inDoubt ? 'unknown' : 'exists';
      }
    });
    if (kind !== 'unknown') return { kind };
    throw storageError(
      'STORAGE_AMBIGUOUS',
      `${key} in ${this.location} exists after a put whose answer was lost: nobody can tell ` +
        'whether it is the same. The put must be repeated under another key.',
      { retriable: true, details: { location: this.location, key, ambiguous: true } },
    );
  }

  async #read(
    key: string,
    options: CallOptions,
    range: { readonly Range?: string },
    take: (output: GetObjectCommandOutput, where: string) => Promise<Buffer>,
  ): Promise<GetOutcome> {
    const call = this.#call('read', key, options);
    return await this.#attempts(call, async (abortSignal): Promise<GetOutcome> => {
      let output: GetObjectCommandOutput;
      try {
        const command = new GetObjectCommand({ ...this.#address(key), ...range });
        output = await this.#client.send(command, { abortSignal });
      } catch (error) {
        const { status, name } = s3Answer(error);
        if (name === 'NoSuchKey') return { kind: 'missing' };
        if (status === 416) return { kind: 'found', bytes: Buffer.alloc(0) };
        throw error;
      }
      return { kind: 'found', bytes: await take(output, `${key} in ${this.location}`) };
    });
  }

  /** @throws `STORAGE_BUCKET_MISSING`; a store that does not let us ask is believed to have it */
  async #headBucket(abortSignal: AbortSignal): Promise<void> {
    const { bucket } = this.#options;
    try {
      await this.#client.send(new HeadBucketCommand({ Bucket: bucket }), { abortSignal });
    } catch (error) {
      const { status } = s3Answer(error);
      if (status === 403) return;
      if (status !== 404) throw error;
      throw storageError(
        'STORAGE_BUCKET_MISSING',
        `The bucket of ${this.location} does not exist; create it or correct its name.`,
        { details: { location: this.location } },
      );
    }
  }

  async #deletePage(keys: readonly string[], abortSignal: AbortSignal): Promise<void> {
    const { bucket, prefix } = this.#options;
    const Objects = keys.map((key) => ({ Key: prefix + key }));
    const command = new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects, Quiet: true } });
    const output = await this.#client.send(command, { abortSignal });
    const failed = output.Errors?.find(({ Code }) => Code !== 'NoSuchKey');
    if (failed === undefined) return;
    // The answer as a whole was a success: the error inside it becomes one that can be thrown.
    const error = new Error(`${failed.Key}: ${failed.Message}`);
    error.name = failed.Code ?? 'unknown';
    throw Object.assign(error, { $metadata: output.$metadata });
  }

  *#listed({ Contents: contents = [] }: ListObjectsV2CommandOutput): Iterable<ListedObject> {
    for (const { Key: name = '', Size: byteCount = 0, LastModified: modified } of contents) {
      const key = name.slice(this.#options.prefix.length);
      if (isKey(key)) yield { key, byteCount, modifiedMs: modified?.getTime() ?? 0 };
    }
  }
}

/** A large body is not copied for want of a better shape. */
function inOnePiece(body: ObjectBody): Buffer {
  if (Buffer.isBuffer(body)) return body;
  const [first, ...rest] = body;
  return first !== undefined && rest.length === 0 ? first : Buffer.concat(body);
}
