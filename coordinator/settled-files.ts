/**
 * What workers ask of the WAL files that proxies announced: which are settled, which are not, and
 * how far the count is. It owns no policy: which files may go is the sweep's to say.
 */
import type { Logger } from 'pino';
import { Turns } from '../runtime/index.ts';
import type { FileAnnouncement } from './coordinator.ts';
import { coordinatorError } from './errors.ts';
import { packFile, parseFileRecord } from './file-record.ts';
import type { CoordinatorKeys } from './keys.ts';
import { malformed, Packer } from './packing.ts';
import { CoordinatorScripts } from './redis/scripts.ts';
import type { RedisSession } from './redis/session.ts';
import type { SharedSession } from './redis/shared-session.ts';
import { FILES_PER_CALL_MAX, WorkerScripts } from './redis/worker-scripts.ts';
import type { SettledRanges } from './settled-ranges.ts';
import type { SettledFile } from './worker-coordinator.ts';

/** How many records, of a few KB each, are read at once. */
const RECORDS_PER_CALL = 64;
/** In one answer: files of large clusters name thousands each. One file is given at any rate. */
const PARTITIONS_MAX = 100_000;
/** Redis may forget the file, or the range, again between two steps. */
const SETTLE_STEPS_MAX = 4;
/** An abandoned file has to be counted however many are kept. */
const FILES_MAX = 2 ** 32 - 1;

export interface SettledFilesOptions {
  readonly session: SharedSession;
  readonly keys: CoordinatorKeys;
  readonly ranges: SettledRanges;
  readonly logger: Logger;
}

export class SettledFiles {
  readonly #options: SettledFilesOptions;

  constructor(options: SettledFilesOptions) {
    this.#options = options;
  }

  /** @see WorkerCoordinator.settledCount */
  async count(): Promise<number | undefined> {
    const { session, keys, ranges } = this.#options;
    return await session.use(async (session) => {
      const scripts = new WorkerScripts(session, keys);
      const known = await scripts.readSettled();
      if (known.isCurrent) return known.number;
      // Without it a cluster in which nobody produces any more would never be swept.
      await ranges.raise(new CoordinatorScripts(session, keys), known.number);
      const raised = await scripts.readSettled();
      return raised.isCurrent ? raised.number : undefined;
    });
  }

  /** @see WorkerCoordinator.settledFiles */
  async settled(after: number, limit: number): Promise<readonly SettledFile[]> {
    const { session, keys } = this.#options;
    const files: SettledFile[] = [];
    await session.use(async (session) => {
      const range = [keys.filesSettled, `(${after}`, '+inf', 'WITHSCORES', 'LIMIT', 0, limit];
      const pairs = buffers(await session.call('ZRANGEBYSCORE', range), 'a list of files');
      const numbers = new Map<string, number>();
      const ids: Buffer[] = [];
      for (const [index, id] of pairs.entries()) {
        if (index % 2 === 1) continue;
        ids.push(id);
        numbers.set(id.toString('hex'), Number(pairs[index + 1]?.toString('latin1')));
      }
      let partitions = 0;
      for await (const [id, file] of this.#records(session, ids)) {
        files.push({ ...file, settledNumber: numbers.get(id.toString('hex')) ?? 0 });
        partitions += file.partitions.length;
        if (partitions >= PARTITIONS_MAX) break;
      }
    });
    return files;
  }

  /** @see WorkerCoordinator.unsettledFiles */
  async unsettled(createdBeforeMs: number, limit: number): Promise<readonly FileAnnouncement[]> {
    const { session, keys } = this.#options;
    const files: FileAnnouncement[] = [];
    await session.use(async (session) => {
      const range = [keys.filesUnsettled, '-inf', `(${createdBeforeMs}`, 'LIMIT', 0, limit];
      const ids = buffers(await session.call('ZRANGEBYSCORE', range), 'a list of files');
      let partitions = 0;
      for await (const [, file] of this.#records(session, ids)) {
        files.push(file);
        partitions += file.partitions.length;
        if (partitions >= PARTITIONS_MAX) break;
      }
    });
    return files;
  }

  /** @see WorkerCoordinator.knownFiles */
  async known(fileIds: readonly bigint[]): Promise<ReadonlySet<bigint>> {
    const { session, keys } = this.#options;
    const known = new Set<bigint>();
    await session.use(async (session) => {
      for (const some of chunksOf(fileIds, FILES_PER_CALL_MAX)) {
        const replies = await Promise.all(
          some.map(async (fileId) => session.call('HEXISTS', [keys.files, idBytes(fileId)])),
        );
        for (const [index, fileId] of some.entries()) if (replies[index] === 1) known.add(fileId);
      }
    });
    return known;
  }

  /** @see WorkerCoordinator.settleAbandoned */
  async settleAbandoned(file: FileAnnouncement): Promise<number> {
    const { session, keys, ranges } = this.#options;
    return await session.use(async (session) => {
      const scripts = new CoordinatorScripts(session, keys);
      for (let step = 0; step < SETTLE_STEPS_MAX; step++) {
        const outcome = await scripts.settleFile(file.fileId);
        if (outcome.kind === 'settled') return outcome.number;
        if (outcome.kind === 'stale') await ranges.raise(scripts, outcome.lastNumber);
        else await scripts.announceFile(packFile(file), FILES_MAX);
      }
      const message = `Redis does not keep file ${file.fileId}, or goes on forgetting it.`;
      throw coordinatorError('COORDINATOR_REDIS_UNAVAILABLE', message, { retriable: true });
    });
  }

  /** @see WorkerCoordinator.forgetFiles */
  async forget(fileIds: readonly bigint[]): Promise<void> {
    const { session, keys } = this.#options;
    await session.use(async (session) => {
      const scripts = new WorkerScripts(session, keys);
      for (const some of chunksOf(fileIds, FILES_PER_CALL_MAX)) await scripts.forgetFiles(some);
    });
  }

  /** One that a newer version wrote, or that is damaged, must not hide the others. */
  async *#records(
    session: RedisSession,
    ids: readonly Buffer[],
  ): AsyncIterable<readonly [Buffer, FileAnnouncement]> {
    const { keys, logger } = this.#options;
    const turns = new Turns();
    for (const some of chunksOf(ids, RECORDS_PER_CALL)) {
      const reply = await session.call('HMGET', [keys.files, ...some]);
      if (!Array.isArray(reply)) throw malformed('a reply to HMGET');
      for (const [index, id] of some.entries()) {
        const packed: unknown = reply[index];
        // Forgotten in between.
        if (!Buffer.isBuffer(packed)) continue;
        if (turns.isOver) await turns.next();
        try {
          yield [id, parseFileRecord(id.readBigUInt64BE(), packed)];
        } catch (error) {
          logger.error({ err: error, file: id.toString('hex') }, 'a file in Redis is left out');
        }
      }
    }
  }
}

function* chunksOf<T>(items: readonly T[], size: number): Iterable<readonly T[]> {
  for (let first = 0; first < items.length; first += size) yield items.slice(first, first + size);
}

function buffers(reply: unknown, what: string): Buffer[] {
  if (!Array.isArray(reply)) throw malformed(what);
  return reply.map((value: unknown) => {
    if (!Buffer.isBuffer(value)) throw malformed(what);
    return value;
  });
}

function idBytes(fileId: bigint): Buffer {
  return new Packer().u64(fileId).finish();
}
