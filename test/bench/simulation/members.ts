/** Simulated members: WAL files on their beat, placeholders in the logs, announcements. */
import { buildPlaceholder, buildRecordBatch, type KeyRing } from '../../../kafka/index.ts';
import type { FileAnnouncement } from '../../../coordinator/index.ts';
import { buildWalFile, newFileId, walKey, type ObjectStore } from '../../../storage/index.ts';
import type { FakePartition } from '../../support/fake-cluster-log.ts';

const RECORDS = 8;

export interface MembersOptions {
  readonly store: ObjectStore;
  readonly clusterId: string;
  readonly keyRing: KeyRing;
  /** Of each member: all that its broker leads. */
  readonly partitions: readonly (readonly FakePartition[])[];
  /** Of a WAL file. */
  readonly fileBytes: number;
}

export class Members {
  readonly #options: MembersOptions;
  readonly #batchBytes: number;
  readonly #random: Buffer;
  #files = 0;

  constructor(options: MembersOptions) {
    this.#options = options;
    const perFile = options.partitions[0]?.length ?? 1;
    this.#batchBytes = Math.floor(options.fileBytes / perFile);
    this.#random = Buffer.alloc(this.#batchBytes, 'x');
  }

  /** Files so far. */
  get fileCount(): number {
    return this.#files;
  }

  /** Each member writes one file with a batch for each of its partitions. */
  async write(nowMs: number): Promise<readonly FileAnnouncement[]> {
    const written: FileAnnouncement[] = [];
    for (const [memberId, partitions] of this.#options.partitions.entries()) {
      written.push(await this.#writeFile(memberId, partitions, nowMs));
    }
    return written;
  }

  async #writeFile(
    memberId: number,
    partitions: readonly FakePartition[],
    createdMs: number,
  ): Promise<FileAnnouncement> {
    const { store, clusterId, keyRing } = this.#options;
    const value = this.#random.subarray(0, Math.floor(this.#batchBytes / RECORDS));
    const batches = partitions.map(({ id }) => ({
      topic: id.topic,
      partition: id.partition,
      bytes: buildRecordBatch(
        { baseTimestamp: BigInt(createdMs) },
        Array.from({ length: RECORDS }, () => ({ value })),
      ),
    }));
    const { file, positions } = buildWalFile({ clusterId, memberId, createdMs, batches });
    this.#files++;
    const fileId = newFileId(createdMs, this.#files);
    await store.put(walKey(fileId), file);
    for (const [index, partition] of partitions.entries()) {
      const { topic, partition: number, bytes } = batches[index] ?? {};
      if (topic === undefined || number === undefined || bytes === undefined) continue;
      partition.append(
        buildPlaceholder({
          realBatch: bytes,
          fileId,
          position: positions[index] ?? 0,
          maxTimestamp: BigInt(createdMs),
          topic,
          partition: number,
          keyRing,
          zstd: true,
        }),
      );
    }
    return {
      fileId,
      bytes: file.length,
      memberId,
      rack: 'a',
      createdMs,
      partitions: batches.map(({ topic, partition, bytes }) => {
        return { topic, partition, batchCount: 1, bytes: bytes.length };
      }),
    };
  }
}
