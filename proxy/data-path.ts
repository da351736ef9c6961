/** The parts through which the bytes of diskless topics go, in and out, put together. */
import { randomInt } from 'node:crypto';
import type { Logger } from 'pino';
import type { Coordinator, PartitionStates } from '../coordinator/index.ts';
import type { KeyRing } from '../kafka/index.ts';
import { StartRequests, type ObjectStore } from '../storage/index.ts';
import { AnswerFiller } from './fetch/answer-filler.ts';
import { BelowStart } from './fetch/below-start.ts';
import { BatchFiller } from './fetch/batch-filler.ts';
import type { FetchTopics } from './fetch/fetch.ts';
import { ObservedRatios } from './fetch/observed-ratios.ts';
import { SlabPool } from './fetch/slab-pool.ts';
import type { MemoryBudgets } from './memory-budgets.ts';
import type { ProxyOptions } from './proxy-options.ts';
import { BatchResolver } from './read/batch-resolver.ts';
import { LogicalStarts } from './read/logical-starts.ts';
import { openStoredReading, type StoredReading } from './read/open-stored-reading.ts';
import { StoredLog } from './read/stored-log.ts';
import { StoredOffsets } from './read/stored-offsets.ts';
import { WalFileCache } from './read/wal-file-cache.ts';
import { WalFileSource } from './read/wal-file-source.ts';
import { systemClock } from '../runtime/index.ts';
import { WalWriter } from './wal/wal-writer.ts';

/** A file that is older when it is read was asked for by a consumer that lags. */
const TAIL_AGE_MS_MAX = 60_000;
/** A WAL file that is older has been through a merge or two at the default interval. */
const UNMERGED_AGE_MS_MAX = 60_000;
/** Of the memory for laggards: for WAL files, which are read until they are merged. */
const LAGGING_WAL_SHARE = 1 / 4;
/** How often a store that takes no writes is tried. */
const STORE_PROBE_MS = 1_000;
/** Room in a WAL file for its header and footer, beside its batches. */
const WAL_FILE_OVERHEAD_BYTES = 1024 * 1024;
const RANDOM_22_BITS = 2 ** 22;

export interface DataPathDependencies {
  readonly clusterId: string;
  readonly store: ObjectStore;
  readonly coordinator: Coordinator;
  /** What became of partitions' data. */
  readonly states: PartitionStates;
  readonly catalog: FetchTopics;
  readonly keyRing: KeyRing;
  readonly budgets: MemoryBudgets;
  readonly log: Logger;
}

export interface DataPath {
  readonly cache: WalFileCache;
  readonly source: WalFileSource;
  readonly stored: StoredReading;
  readonly writer: WalWriter;
  readonly resolver: BatchResolver;
  readonly filler: BatchFiller;
  readonly answerFiller: AnswerFiller;
  readonly belowStart: BelowStart;
  readonly starts: LogicalStarts;
  readonly storedOffsets: StoredOffsets;
  readonly startRequests: StartRequests;
  readonly ratios: ObservedRatios;
}

/** @returns the parts, ready for the first request */
export function openDataPath(options: ProxyOptions, dependencies: DataPathDependencies): DataPath {
  const { memory, wal, member } = options;
  const { clusterId, store, coordinator, states, catalog, keyRing, budgets, log } = dependencies;
  const laggingWalBytesMax = Math.floor(memory.laggingCacheBytesMax * LAGGING_WAL_SHARE);
  const cache = new WalFileCache({
    tailBytesMax: memory.cacheBytesMax,
    laggingBytesMax: laggingWalBytesMax,
    tailAgeMsMax: TAIL_AGE_MS_MAX,
    wallMs: () => systemClock.wallMs(),
  });
  const source = new WalFileSource({
    store,
    clusterId,
    cache,
    loadBudget: budgets.loads,
    fileBytesExpected: wal.maxBytes + WAL_FILE_OVERHEAD_BYTES,
    monotonicMs: () => systemClock.monotonicMs(),
  });
  const writer = new WalWriter({
    ...wal,
    clusterId,
    memberId: member.id,
    rack: member.rack,
    putTimeoutMs: options.store.requestTimeoutMs,
    probeIntervalMs: STORE_PROBE_MS,
    store,
    coordinator,
    cache,
    clock: systemClock,
    random22: () => randomInt(RANDOM_22_BITS),
    log,
  });
  const stored = openStoredReading({
    store,
    states,
    loadBudget: budgets.loads,
    bytesMax: memory.laggingCacheBytesMax - laggingWalBytesMax,
    clock: systemClock,
    log,
  });
  coordinator.subscribe((event) => {
    if (event.kind === 'group-moved') stored.views.groupMoved(event.group);
  });
  const resolver = new BatchResolver({
    wal: source,
    stored: stored.source,
    unmergedAgeMsMax: UNMERGED_AGE_MS_MAX,
    wallMs: () => systemClock.wallMs(),
    log,
  });
  const filler = new BatchFiller(resolver, new SlabPool(budgets.fills), log);
  const ratios = new ObservedRatios();
  const answerFiller = new AnswerFiller({ catalog, keyRing, filler, ratios });
  const below = openBelowStart(stored, dependencies);
  return {
    cache,
    source,
    stored,
    writer,
    resolver,
    filler,
    answerFiller,
    ratios,
    ...below,
  };
}

/** What answers below the log start of the broker. */
function openBelowStart(
  { segments, extents, batches, views }: StoredReading,
  { store, catalog, budgets, log }: DataPathDependencies,
): Pick<DataPath, 'belowStart' | 'starts' | 'storedOffsets' | 'startRequests'> {
  const starts = new LogicalStarts();
  const storedLog = new StoredLog({ segments, extents, batches });
  const budget = budgets.stored;
  return {
    belowStart: new BelowStart({ catalog, views, starts, storedLog, budget, log }),
    starts,
    storedOffsets: new StoredOffsets(segments),
    startRequests: new StartRequests(store),
  };
}
