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
  readonly #records: readonly { readonly value: Buffer }[];
  #files = 0;

  constructor(options: MembersOptions) {
    this.#options = options;
    const perFile = options.partitions[0]?.length ?? 1;
    const value = Buffer.alloc(Math.floor(options.fileBytes / perFile / RECORDS), 'x');
    this.#records = Array.from({ length: RECORDS }, () => ({ value }));
  }

  /** Files so far. */
  get fileCount(): number {
    return this.#files;
  }

  /** Each member writes one file with a batch for each of its partitions, alike in all. */
  async write(nowMs: number): Promise<readonly FileAnnouncement[]> {
    const written: FileAnnouncement[] = [];
    const batch = buildRecordBatch({ baseTimestamp: BigInt(nowMs) }, this.#records);
    for (const [memberId, partitions] of this.#options.partitions.entries()) {
      written.push(await this.#writeFile(memberId, partitions, batch, nowMs));
    }
    return written;
  }

  async #writeFile(
    memberId: number,
    partitions: readonly FakePartition[],
    bytes: Buffer,
    createdMs: number,
  ): Promise<FileAnnouncement> {
    const { store, clusterId, keyRing } = this.#options;
    const batches = partitions.map(({ id: { topic, partition } }) => ({ topic, partition, bytes }));
    const { file, positions } = buildWalFile({ clusterId, memberId, createdMs, batches });
    this.#files++;
    const fileId = newFileId(createdMs, this.#files);
    await store.put(walKey(fileId), file);
    const maxTimestamp = BigInt(createdMs);
    const written = { realBatch: bytes, fileId, maxTimestamp, keyRing, zstd: true };
    for (const [index, partition] of partitions.entries()) {
      const position = positions[index] ?? 0;
      partition.append(buildPlaceholder({ ...written, ...partition.id, position }));
    }
    return {
      fileId,
      bytes: file.length,
      memberId,
      rack: 'a',
      createdMs,
      partitions: batches.map(({ topic, partition }) => {
        return { topic, partition, batchCount: 1, bytes: bytes.length };
      }),
    };
  }
}
