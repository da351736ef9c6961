/**
 * Whether the brokers' logs fit what was merged: cursors, the batches below them, and the WAL files
 * of what lies above. All of it, or of some partitions a window each: reading every placeholder of
 * a cluster takes a while.
 */
import { baseOffset, hasCode, lastOffset } from '../../kafka/index.ts';
import type { KeyRing } from '../../kafka/index.ts';
import { entryKey, fitsLog, partitionKey, walKey } from '../../storage/index.ts';
import type {
  Extent,
  ExtentIndex,
  GroupState,
  ObjectStore,
  PartitionState,
} from '../../storage/index.ts';
import type { ClusterLog, LogEnd, PartitionLeader } from '../log/cluster-log.ts';
import { StoredBatches } from '../extents/stored-batches.ts';
import { readLogBatch } from '../merge/log-batch.ts';
import { placeOf } from './check-offsets.ts';
import type { FindingPlace, Findings } from './finding.ts';

/** Of the log, at once. */
const READ_BYTES = 1024 * 1024;
const PARTITIONS_PER_REQUEST = 1_000;
/** Above every offset. */
const OFFSET_END = 2n ** 63n;

export interface LogCheck {
  readonly group: number;
  readonly log: ClusterLog;
  readonly store: ObjectStore;
  readonly keyRing: KeyRing;
  /** Of how many partitions of the group the log is read; the ends of all are looked at. */
  readonly partitionsMax: number;
  /** How many bytes of each are read below the cursor, and how many above. */
  readonly bytesMax: number;
  /** 0 to below 1: which partitions. */
  readonly random: () => number;
}

export async function checkLog(
  check: LogCheck,
  state: GroupState,
  findings: Findings,
): Promise<void> {
  const partitions = [...state.partitions.values()];
  const share = check.partitionsMax / Math.max(partitions.length, 1);
  for (let at = 0; at < partitions.length; at += PARTITIONS_PER_REQUEST) {
    const chunk = partitions.slice(at, at + PARTITIONS_PER_REQUEST);
    const leaders = await leadersOf(chunk, check, findings);
    const ends = await check.log.logEnds([...leaders.values()]);
    for (const partition of chunk) {
      const leader = leaders.get(partitionKey(partition));
      if (leader === undefined) continue;
      const end = ends.get(partitionKey(partition));
      if (!checkEnd(check.group, partition, end, findings)) continue;
      if (check.random() >= share) continue;
      await new PartitionCheck(check, partition, leader, findings).run();
    }
  }
}

/** @returns the leaders by key, of the topics that are still there */
async function leadersOf(
  partitions: readonly PartitionState[],
  { log, group }: LogCheck,
  findings: Findings,
): Promise<ReadonlyMap<string, PartitionLeader>> {
  const leaders = new Map<string, PartitionLeader>();
  const topics = await log.topics([...new Set(partitions.map(({ topic }) => topic))]);
  for (const partition of partitions) {
    const topic = topics.get(partition.topic);
    // A topic that was deleted, or made again, is waiting for the sweep.
    if (topic === undefined || topic.topicId !== partition.topicId) continue;
    const leader = topic.partitions.find((other) => other.partition === partition.partition);
    if (leader !== undefined && leader.brokerId >= 0) leaders.set(partitionKey(leader), leader);
    else findings.unchecked('the log', 'it has no leader', placeOf(group, partition));
  }
  return leaders;
}

/** @returns whether the log reaches as far as it was merged */
function checkEnd(
  group: number,
  partition: PartitionState,
  end: LogEnd | undefined,
  findings: Findings,
): boolean {
  const place = placeOf(group, partition);
  if (end === undefined) {
    findings.unchecked('the end of the log', 'no majority names its leader', place);
    return false;
  }
  const { cursor } = partition;
  if (cursor <= end.endOffset) return true;
  const where = { ...place, startOffset: end.endOffset, endOffset: cursor };
  findings.add('cursor-above-log-end', 'more was merged than the log has', where);
  return false;
}

class PartitionCheck {
  readonly #check: LogCheck;
  readonly #partition: PartitionState;
  readonly #leader: PartitionLeader;
  readonly #findings: Findings;
  readonly #place: FindingPlace;
  #opened: { readonly extent: Extent; readonly index: ExtentIndex | undefined } | undefined;
  /** Found missing; each is told of once. */
  readonly #missing = new Map<bigint, boolean>();

  constructor(
    check: LogCheck,
    partition: PartitionState,
    leader: PartitionLeader,
    findings: Findings,
  ) {
    this.#check = check;
    this.#partition = partition;
    this.#leader = leader;
    this.#findings = findings;
    this.#place = placeOf(check.group, partition);
  }

  async run(): Promise<void> {
    const { extents, cursor } = this.#partition;
    const first = extents[0]?.startOffset ?? cursor;
    // From a random extent on, so that repeated checks get around.
    const chosen = extents[Math.floor(this.#check.random() * extents.length)];
    const isWhole = this.#check.bytesMax === Infinity;
    const from = isWhole ? first : (chosen?.startOffset ?? first);
    const logStarts = await this.#check.log.logStarts([this.#leader]);
    const logStart = logStarts.get(partitionKey(this.#leader));
    if (logStart === undefined) {
      this.#findings.unchecked('the log', 'its leader does not answer', this.#place);
      return;
    }
    // What the broker does not have any more cannot be compared.
    await this.#read(higher(from, logStart), cursor, (batch) => this.#compare(batch));
    await this.#read(higher(cursor, logStart), OFFSET_END, (batch) => this.#findBytes(batch));
  }

  /** @param to where to stop, unless the high watermark comes before */
  async #read(from: bigint, to: bigint, visit: (batch: Buffer) => Promise<void>): Promise<void> {
    const { log, bytesMax } = this.#check;
    let offset = from;
    for (let bytes = 0; bytes < bytesMax && offset < to; ) {
      const leader = this.#leader;
      const read = await log.read({ leader, offset, lastFetchedEpoch: -1, bytesMax: READ_BYTES });
      if (read.kind !== 'read') {
        this.#findings.unchecked('the log', `it answered ${read.kind}`, this.#place);
        return;
      }
      if (read.batches.length === 0) return;
      for (const batch of read.batches) {
        offset = lastOffset(batch) + 1n;
        bytes += batch.length;
        if (baseOffset(batch) < to) await visit(batch);
      }
    }
  }

  async #compare(batch: Buffer): Promise<void> {
    const first = baseOffset(batch);
    const extent = this.#partition.extents.find(({ endOffset }) => endOffset > first);
    if (extent === undefined || lastOffset(batch) < extent.startOffset) return;
    const index = await this.#indexOf(extent);
    const reading = readLogBatch(batch, this.#partition, this.#check.keyRing);
    if (reading.kind === 'unknown') {
      this.#findings.unchecked('a batch of the log', reading.error.message, {
        ...this.#place,
        startOffset: first,
      });
    }
    if (index === undefined || reading.kind === 'unknown') return;
    const row = index.find(first);
    if (row < index.batchCount && fitsLog(index.at(row), reading.batch)) return;
    this.#findings.add('history-differs', 'the log has another batch than was merged', {
      ...this.#place,
      startOffset: first,
      endOffset: lastOffset(batch) + 1n,
      object: entryKey(this.#check.group, extent.file),
    });
  }

  /** @returns undefined if the file cannot be used, which others have reported */
  async #indexOf(extent: Extent): Promise<ExtentIndex | undefined> {
    if (this.#opened?.extent === extent) return this.#opened.index;
    const { group, store } = this.#check;
    let index: ExtentIndex | undefined;
    try {
      index = await new StoredBatches({ store, group }).index(extent);
    } catch (error) {
      const isGone =
        hasCode(error, 'STORAGE_MERGED_CORRUPT') || hasCode(error, 'WORKER_OBJECT_MISSING');
      if (!isGone) throw error;
    }
    this.#opened = { extent, index };
    return index;
  }

  async #findBytes(batch: Buffer): Promise<void> {
    const reading = readLogBatch(batch, this.#partition, this.#check.keyRing);
    if (reading.kind === 'unknown' || reading.batch.origin.kind === 'real') return;
    const { fileId } = reading.batch.origin;
    const object = walKey(fileId);
    let isMissing = this.#missing.get(fileId);
    if (isMissing === undefined) {
      isMissing = (await this.#check.store.head(object)).kind === 'missing';
      this.#missing.set(fileId, isMissing);
    }
    if (!isMissing) return;
    const startOffset = baseOffset(batch);
    const where = { ...this.#place, startOffset, endOffset: lastOffset(batch) + 1n, object };
    this.#findings.add('object-missing', 'a WAL file of unmerged data is gone', where);
  }
}

function higher(left: bigint, right: bigint): bigint {
  return left > right ? left : right;
}
