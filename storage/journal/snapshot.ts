/**
 * Snapshots of a partition group's state, which spare a reader the entries before them. A snapshot
 * is a copy: it may be missing or damaged, and an older one or none will do. It owns their bytes.
 */
import { z } from 'zod';
import { storageError } from '../errors.ts';
import { packJson, unpackJson } from '../packed-json.ts';
import { listState, mapState, stateSchema } from './group-state.ts';
import type { GroupState } from './group-state.ts';

const SNAPSHOT_VERSION = 1;

const versionSchema = z.object({ version: z.int().min(1) });
const snapshotSchema = z
  .object({
    version: z.literal(SNAPSHOT_VERSION),
    clusterId: z.string(),
    group: z.int().min(0),
    state: stateSchema,
  })
  .readonly();

/** Whose a snapshot is. */
export interface SnapshotOwner {
  readonly clusterId: string;
  readonly group: number;
}

/** @returns the object's bytes; the same state gives the same bytes */
export function encodeSnapshot({ clusterId, group }: SnapshotOwner, state: GroupState): Buffer {
  const version = SNAPSHOT_VERSION;
  return packJson(snapshotSchema, { version, clusterId, group, state: listState(state) });
}

/**
 * @param number of the last entry in it, by its key
 * @param fail throws the caller's error
 * @throws `STORAGE_FORMAT_UNKNOWN` for a version that is not known
 */
export function decodeSnapshot(
  bytes: Buffer,
  owner: SnapshotOwner,
  number: number,
  fail: (reason: string) => never,
): GroupState {
  const { version } = unpackJson(bytes, versionSchema, fail);
  if (version !== SNAPSHOT_VERSION) {
    throw storageError(
      'STORAGE_FORMAT_UNKNOWN',
      `A snapshot has format version ${version}; this version of Outrigger knows ` +
        `${SNAPSHOT_VERSION}. Upgrade this process.`,
      { details: { version } },
    );
  }
  const { clusterId, group, state } = unpackJson(bytes, snapshotSchema, fail);
  if (clusterId !== owner.clusterId) fail('it belongs to another Kafka cluster');
  if (group !== owner.group || state.number !== number) fail('it is not the one of its name');
  return mapState(state);
}
