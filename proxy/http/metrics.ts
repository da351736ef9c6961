/**
 * What a member tells Prometheus. Every figure is read from the part that owns it at the moment of
 * the scrape: nothing is counted twice, and nothing is counted here.
 */
import type { Registry } from 'prom-client';
import type { Coordinator } from '../../coordinator/index.ts';
import { Scrape } from '../../runtime/index.ts';
import type { MemoryBudgets } from '../memory-budgets.ts';
import type { StoredReading } from '../read/open-stored-reading.ts';
import type { WalFileCache } from '../read/wal-file-cache.ts';
import type { WalFileSource } from '../read/wal-file-source.ts';
import type { WalWriter } from '../wal/wal-writer.ts';

/** The parts that are looked at. */
export interface MeteredParts {
  readonly writer: Pick<WalWriter, 'stats' | 'health'>;
  readonly cache: Pick<WalFileCache, 'stats'>;
  readonly source: Pick<WalFileSource, 'stats'>;
  readonly stored: StoredFigures;
  readonly coordinator: Pick<Coordinator, 'status' | 'members'>;
  readonly connectionCount: () => number;
  readonly budgets: MemoryBudgets;
}

type StoredFigures = {
  readonly [Part in 'reader' | 'batches' | 'views']: Pick<StoredReading[Part], 'stats'>;
} & {
  readonly [Part in 'extents' | 'segments']: Pick<StoredReading[Part], 'indexBytes'>;
};

/** @returns a registry of the process and of these parts */
export function createMetrics(parts: MeteredParts): Registry {
  const scrape = Scrape.ofProcess();
  addWriter(scrape, parts);
  addReading(scrape, parts);
  addStoredReading(scrape, parts.stored);
  addCoordinator(scrape, parts);
  scrape.gauge('client_connections', 'Clients connected.', parts.connectionCount);
  const budgets = Object.entries(parts.budgets);
  scrape.gauges('memory_reserved_bytes', 'Bytes reserved, by stage.', 'stage', () =>
    budgets.map(([stage, { bytesHeld }]) => [{ stage }, bytesHeld]),
  );
  scrape.gauges('memory_waiting', 'Reservations that wait for room, by stage.', 'stage', () =>
    budgets.map(([stage, { waiting }]) => [{ stage }, waiting]),
  );
  return scrape.registry;
}

function addWriter(scrape: Scrape, { writer }: MeteredParts): void {
  scrape.gauge('store_failing', '1 while the object store takes no writes.', () =>
    Number(writer.health() === 'failing'),
  );
  scrape.gauge('wal_buffered_bytes', 'Bytes that wait for an upload.', () => {
    return writer.stats.bufferedBytes;
  });
  scrape.gauge('wal_uploads', 'Uploads under way.', () => writer.stats.uploadsInFlight);
  scrape.total('wal_files_stored', 'WAL files stored.', () => writer.stats.filesStored);
  scrape.total('wal_bytes_stored', 'Bytes stored.', () => writer.stats.fileBytesStored);
  scrape.total('wal_files_failed', 'WAL files given up.', () => writer.stats.filesFailed);
  scrape.total('wal_files_unsettled', 'WAL files with a lost answer.', () => {
    return writer.stats.commits.unsettled;
  });
  scrape.total('produce_requests_real', 'Produce requests that were not worth a PUT.', () => {
    return writer.stats.requestsReal;
  });
  scrape.totals('wal_flushes', 'WAL files cut, by what made them due.', 'reason', () =>
    Object.entries(writer.stats.flushes).map(([reason, count]) => [{ reason }, count]),
  );
}

function addReading(scrape: Scrape, { cache, source }: MeteredParts): void {
  scrape.gauge('cache_tail_bytes', 'Recent WAL files in memory.', () => cache.stats.tailBytes);
  scrape.gauge('cache_lagging_bytes', 'Older WAL files in memory.', () => {
    return cache.stats.laggingBytes;
  });
  scrape.total('wal_files_loaded', 'WAL files read back.', () => source.stats.filesLoaded);
  scrape.total('wal_bytes_loaded', 'Bytes read back.', () => source.stats.fileBytesLoaded);
}

function addStoredReading(
  scrape: Scrape,
  { reader, batches, extents, segments, views }: StoredFigures,
): void {
  scrape.gauge('cache_block_bytes', 'Blocks of merged files and segments in memory.', () => {
    return batches.stats.cachedBytes;
  });
  scrape.gauge('cache_index_bytes', 'Indexes of merged files and segments in memory.', () => {
    return extents.indexBytes + segments.indexBytes;
  });
  scrape.total('stored_reads', 'Reads of merged files and segments.', () => reader.stats.reads);
  scrape.total('stored_bytes_read', 'Bytes of them.', () => reader.stats.bytesRead);
  scrape.total('stored_read_aheads', 'Blocks read before they were asked for.', () => {
    return batches.stats.readAheads;
  });
  scrape.total('partition_views_asked', 'Questions where merged data is.', () => {
    return views.stats.asked;
  });
  scrape.total('partition_views_failed', 'Of these, without an answer.', () => {
    return views.stats.failed;
  });
}

function addCoordinator(scrape: Scrape, { coordinator }: MeteredParts): void {
  scrape.gauge('members', 'Members last known to be alive.', () => coordinator.members().length);
  scrape.gauge('redis_connected', '1 while Redis answers, or is not used.', () =>
    Number(coordinator.status().connected),
  );
  scrape.gauge('announcements_buffered', 'Announcements that wait for Redis.', () => {
    return coordinator.status().bufferedCount;
  });
  scrape.total('announcements_dropped', 'Announcements given up.', () => {
    return coordinator.status().droppedCount;
  });
}
