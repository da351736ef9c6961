import { randomBytes, randomInt } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { pointerTo } from '../../../../kafka/index.ts';
import { FsObjectStore, type WalBatch } from '../../../../storage/index.ts';
import { ByteBudget } from '../../../../runtime/index.ts';
import { BatchResolver } from '../../../../proxy/read/batch-resolver.ts';
import { openStoredReading } from '../../../../proxy/read/open-stored-reading.ts';
import { WalFileCache } from '../../../../proxy/read/wal-file-cache.ts';
import { WalFileSource } from '../../../../proxy/read/wal-file-source.ts';
import { systemClock } from '../../../../runtime/index.ts';
import { WalWriter } from '../../../../proxy/wal/wal-writer.ts';
import { batchOf, CLUSTER_ID } from './read-harness.ts';
import { FakeStates } from '../../../support/fake-states.ts';

const log = pino({ level: 'silent' });

async function openStore(): Promise<FsObjectStore> {
  const root = await mkdtemp(join(tmpdir(), 'outrigger-wal-'));
  onTestFinished(async () => await rm(root, { recursive: true }));
  return await FsObjectStore.open({ root, now: Date.now, random: randomBytes });
}

function newCache(): WalFileCache {
  return new WalFileCache({
    tailBytesMax: 10_000_000,
    laggingBytesMax: 1_000_000,
    tailAgeMsMax: 60_000,
    wallMs: () => systemClock.wallMs(),
  });
}

function writerOver(store: FsObjectStore, cache: WalFileCache): WalWriter {
  return new WalWriter({
    clusterId: CLUSTER_ID,
    memberId: 0,
    rack: '',
    maxBytes: 100_000,
    minBytes: 0,
    lingerMs: 5,
    uploadsMax: 4,
    bufferBytesMax: 10_000_000,
    putsPerSecond: 4,
    putTimeoutMs: 10_000,
    produceTimeoutMs: 20_000,
    commitDeadlineMs: 60_000,
    probeIntervalMs: 1_000,
    store,
    coordinator: { announceFile: () => undefined, settleFile: () => undefined },
    cache,
    clock: systemClock,
    random22: () => randomInt(2 ** 22),
    log,
  });
}

function resolverOver(store: FsObjectStore, cache: WalFileCache): BatchResolver {
  const source = new WalFileSource({
    store,
    clusterId: CLUSTER_ID,
    cache,
    loadBudget: new ByteBudget(1_000_000),
    fileBytesExpected: 200_000,
    monotonicMs: () => systemClock.monotonicMs(),
  });
  const stored = openStoredReading({
    store,
    states: new FakeStates(),
    loadBudget: new ByteBudget(1_000_000),
    bytesMax: 1_000_000,
    clock: systemClock,
    log,
  }).source;
  const wallMs = (): number => systemClock.wallMs();
  return new BatchResolver({ wal: source, stored, unmergedAgeMsMax: 60_000, wallMs, log });
}

test('what one member wrote it serves from memory, and another from the store', async () => {
  const store = await openStore();
  const cache = newCache();
  const writer = writerOver(store, cache);
  const writerSide = resolverOver(store, cache);
  const readerSide = resolverOver(store, newCache());
  const writeAndRead = async (batches: readonly WalBatch[]): Promise<void> => {
    const offer = writer.offer(batches);
    if (offer.kind !== 'wal') throw new TypeError(offer.kind);
    const outcome = await offer.uploaded;
    if (outcome.kind !== 'stored') throw outcome.error;
    for (const [index, { topic, partition, bytes }] of batches.entries()) {
      const position = outcome.positions[index]?.position ?? Number.NaN;
      const pointer = pointerTo(bytes, outcome.fileId, position);
      const topicId = null;
      const request = { topic, topicId, partition, pointer, offset: 0n, placeholder: bytes };
      expect(writerSide.peek(request)?.equals(bytes)).toBe(true);
      expect((await readerSide.resolve(request)).equals(bytes)).toBe(true);
    }
    outcome.share.ended('answered');
  };
  const requests = Array.from({ length: 50 }, (_, index) => [
    batchOf(100 + index * 200, 'a', index % 3),
    batchOf(5_000, `topic-${index % 7}`, 0),
  ]);
  await Promise.all(requests.map(writeAndRead));
  await writer.close(10_000);
  const { filesStored, commits, bufferedBytes } = writer.stats;
  expect(filesStored).toBeGreaterThan(1);
  expect(commits).toEqual({ open: 0, settled: filesStored, unsettled: 0 });
  expect(bufferedBytes).toBe(0);
});
