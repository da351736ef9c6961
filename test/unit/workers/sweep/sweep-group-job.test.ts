import { expect, test } from 'vitest';
import {
  entryKey,
  entryPrefix,
  partitionKey,
  SEGMENT_PREFIX,
  segmentKeys,
  type Change,
} from '../../../../storage/index.ts';
import { batchOf } from '../../../support/merge-site.ts';
import {
  DAY_MS,
  HOUR_MS,
  Killed,
  killedAt,
  SWEEP,
  SweepSite,
  unlessKilled,
} from '../../../support/sweep-site.ts';
import { createSweepGroupJob } from '../../../../workers/sweep/sweep-group-job.ts';

const SEGMENT_ID = 'AAAAAAAAAAAAAAAAAAAAAA';

async function mergedSite(): Promise<SweepSite> {
  const site = new SweepSite();
  site.createTopic('orders');
  site.createTopic('others');
  site.produce({ topic: 'orders', batch: batchOf(['a'.repeat(1_000)]) });
  site.produce({ topic: 'orders', batch: batchOf(['b'.repeat(1_000)]) });
  await site.merge();
  return site;
}

async function commit(site: SweepSite, change: Change): Promise<void> {
  const worker = await site.openWorker();
  const outcome = await worker.groups[0]?.commit(change);
  expect(outcome?.kind).toBe('committed');
}

function startMoved(site: SweepSite, offset: bigint, isForeign: boolean): Change {
  const offsets = [{ ...site.log.partition('orders').id, offset }];
  return { kind: 'start-moved', offsets, ...(isForeign ? { isForeign } : {}) };
}

test('a dead merged file is hollowed out after the margin, and its entry stays', async () => {
  const site = await mergedSite();
  const full = site.mergedBytes(0, 1);
  await commit(site, startMoved(site, 2n, false));
  await site.sweepGroups();
  expect(site.mergedBytes(0, 1)).toBe(full);
  await site.clock.advance(HOUR_MS);
  await site.sweepGroups();
  expect(site.mergedBytes(0, 1)).toBeLessThan(full / 2);
  expect((await site.state()).files.size).toBe(0);
});

test('what others than Outrigger deleted is kept for a week', async () => {
  const site = await mergedSite();
  const full = site.mergedBytes(0, 1);
  await commit(site, startMoved(site, 2n, true));
  await site.clock.advance(6 * DAY_MS);
  await site.sweepGroups();
  expect(site.mergedBytes(0, 1)).toBe(full);
  await site.clock.advance(DAY_MS);
  await site.sweepGroups();
  expect(site.mergedBytes(0, 1)).toBeLessThan(full / 2);
});

test('what another history had left is given up after a week, and goes an hour later', async () => {
  const site = await mergedSite();
  const full = site.mergedBytes(0, 1);
  const offsets = [{ ...site.log.partition('orders').id, offset: 0n }];
  await commit(site, { kind: 'quarantine', offsets, reason: 'a test' });
  await site.clock.advance(7 * DAY_MS - 1);
  await site.sweepGroups();
  expect((await site.stateOf('orders'))?.quarantined).toHaveLength(1);
  await site.clock.advance(1);
  await site.sweepGroups();
  expect((await site.stateOf('orders'))?.quarantined).toEqual([]);
  expect(site.mergedBytes(0, 1)).toBe(full);
  await site.clock.advance(HOUR_MS);
  await site.sweepGroups();
  expect(site.mergedBytes(0, 1)).toBeLessThan(full / 2);
});

test('a deleted topic loses its partitions after a day, and its bytes an hour later', async () => {
  const site = await mergedSite();
  const { id } = site.log.partition('orders');
  const full = site.mergedBytes(0, 1);
  site.log.deleteTopic('orders');
  await site.sweep();
  await site.clock.advance(DAY_MS - 1);
  await site.sweep();
  await site.sweepGroups();
  expect((await site.state()).partitions.has(partitionKey(id))).toBe(true);
  await site.clock.advance(1);
  await site.sweepGroups();
  expect((await site.state()).partitions.has(partitionKey(id))).toBe(false);
  expect(site.mergedBytes(0, 1)).toBe(full);
  await site.clock.advance(HOUR_MS);
  await site.sweepGroups();
  expect(site.mergedBytes(0, 1)).toBeLessThan(full / 2);
});

test('a topic that is there again in time keeps everything', async () => {
  const site = await mergedSite();
  const { id } = site.log.partition('orders');
  const topics = site.log.topicPresence.bind(site.log);
  site.log.topicPresence = async (ids) => new Map(ids.map((each) => [each, 'absent'] as const));
  await site.sweep({}, { vanishedPercentMax: 100 });
  await site.clock.advance(2 * DAY_MS);
  site.log.topicPresence = topics;
  await site.sweepGroups();
  expect((await site.state()).partitions.has(partitionKey(id))).toBe(true);
  await site.sweep();
  site.log.topicPresence = async (ids) => new Map(ids.map((each) => [each, 'absent'] as const));
  await site.sweepGroups();
  expect((await site.state()).partitions.has(partitionKey(id))).toBe(true);
});

test('nothing is deleted while too many topics are missing', async () => {
  const site = await mergedSite();
  const full = site.mergedBytes(0, 1);
  await commit(site, startMoved(site, 2n, false));
  await site.clock.advance(HOUR_MS);
  for (const topic of ['orders', 'others']) site.log.deleteTopic(topic);
  await site.sweep();
  await site.sweepGroups();
  expect(site.mergedBytes(0, 1)).toBe(full);
});

test('segments die with their manifest first, and only once the margin is over', async () => {
  const site = await mergedSite();
  const { id } = site.log.partition('orders');
  const keys = segmentKeys(SEGMENT_PREFIX, { ...id, segmentId: SEGMENT_ID }, 0n);
  for (const key of Object.values(keys)) await site.store.put(key, Buffer.from('x'));
  const segment = {
    id: SEGMENT_ID,
    baseOffset: 0n,
    startOffset: 0n,
    endOffset: 2n,
    bytes: 1,
    maxTimestampMs: 0n,
    createdMs: 0,
  };
  await commit(site, { kind: 'consolidate', segments: [{ ...id, segment }] });
  await commit(site, startMoved(site, 2n, false));
  await site.sweepGroups();
  expect(site.store.objects.has(keys.log)).toBe(true);
  await site.clock.advance(HOUR_MS);
  await site.sweepGroups();
  expect([...site.store.objects.keys()].filter((key) => key.startsWith('segments/'))).toEqual([]);
  expect((await site.state()).deadSegments.size).toBe(0);
});

test('segments that no journal names go after a week, and those of other groups stay', async () => {
  const site = await mergedSite();
  const { id } = site.log.partition('orders');
  const { log } = segmentKeys(SEGMENT_PREFIX, { ...id, segmentId: SEGMENT_ID }, 0n);
  await site.store.put(log, Buffer.from('x'));
  await site.store.put('segments/not-one-of-ours', Buffer.from('x'));
  await site.clock.advance(7 * DAY_MS - 1);
  await site.sweepGroups();
  expect(site.store.objects.has(log)).toBe(true);
  await site.clock.advance(1);
  await site.sweepGroups();
  expect(site.store.objects.has(log)).toBe(false);
  expect(site.store.objects.has('segments/not-one-of-ours')).toBe(true);
});

/** @returns a site whose journal has so many entries, of which the first is a merged file */
async function longSite(entries: number): Promise<SweepSite> {
  const site = await mergedSite();
  const { id } = site.log.partition('orders');
  const worker = await site.openWorker();
  for (let count = 101; count < 100 + entries; count++) {
    const outcome = await worker.groups[0]?.commit({ kind: 'merge', samples: [{ ...id, count }] });
    expect(outcome?.kind).toBe('committed');
  }
  return site;
}

function entriesOf(site: SweepSite): number[] {
  const prefix = entryPrefix(0);
  const keys = [...site.store.objects.keys()].filter((key) => key.startsWith(prefix));
  return keys.map((key) => Number(key.slice(prefix.length))).sort((a, b) => a - b);
}

test('journal entries that snapshots have go after a day, but for merged files', async () => {
  const site = await longSite(300);
  const state = await site.state();
  await site.clock.advance(DAY_MS - 1);
  await site.sweepGroups();
  expect(entriesOf(site)).toHaveLength(300);
  await site.clock.advance(1);
  await site.sweepGroups();
  expect(entriesOf(site)).toEqual([0, 1, ...Array.from({ length: 236 }, (_, i) => i + 65)]);
  expect(await site.state()).toEqual(state);
});

test('a worker looks for old entries a few times a day', async () => {
  const site = await longSite(300);
  const worker = await site.openWorker();
  const job = createSweepGroupJob(SWEEP);
  const sweptAfter = async (ms: number): Promise<number> => {
    await site.clock.advance(ms);
    await worker.run(job);
    return entriesOf(site).length;
  };
  expect(await sweptAfter(DAY_MS - 2 * HOUR_MS)).toBe(300);
  expect(await sweptAfter(2 * HOUR_MS)).toBe(300);
  expect(await sweptAfter(HOUR_MS)).toBe(238);
});

test('a worker that dies while it deletes entries leaves the rest to the next one', async () => {
  for (const name of ['sweep:before-mark', 'sweep:before-prune']) {
    const site = await longSite(300);
    const state = await site.state();
    await site.clock.advance(DAY_MS);
    const failpoint = async (passed: string): Promise<void> => {
      if (passed === name) throw new Killed(name);
    };
    await expect(site.sweepGroups({ failpoint })).rejects.toThrow(name);
    expect(await site.state()).toEqual(state);
    await site.sweepGroups();
    expect(entriesOf(site)).toHaveLength(238);
    expect(await site.state()).toEqual(state);
  }
});

test('a worker that dies anywhere leaves nothing that the next one does not finish', async () => {
  for (let nth = 0; nth < 4; nth++) {
    const site = await mergedSite();
    const full = site.mergedBytes(0, 1);
    await commit(site, startMoved(site, 2n, false));
    await site.clock.advance(HOUR_MS);
    await unlessKilled(site.sweepGroups(killedAt(nth)));
    await site.sweepGroups();
    expect(site.mergedBytes(0, 1)).toBeLessThan(full / 2);
    expect(site.store.objects.has(entryKey(0, 1))).toBe(true);
    expect((await site.state()).files.size).toBe(0);
  }
});
