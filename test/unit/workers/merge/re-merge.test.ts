/** Small extents become large ones: how few stay, at what cost, and that no batch changes. */
import { expect, test } from 'vitest';
import { baseOffset } from '../../../../kafka/index.ts';
import type { Extent, GroupState, PartitionState } from '../../../../storage/index.ts';
import { EMPTY_STATE, partitionKey } from '../../../../storage/index.ts';
import { createMergeJob } from '../../../../workers/merge/merge-job.ts';
import { bytesOf, LARGE_PARTS, planReMerges } from '../../../../workers/merge/re-merge-plan.ts';
import { batchOf, MergeSite } from '../../../support/merge-site.ts';

const MIB = 1 << 20;
const FILE_BYTES = 64 * MIB;
const TOPIC_ID = 'AAAAAAAAAAAAAAAAAAAAAQ';

function extentOf(file: number, bytes: number): Extent {
  const place = { position: 0, bytes: bytes - 37, indexBytes: 37, indexCrc: 0 };
  const start = BigInt(file);
  const offsets = { startOffset: start, endOffset: start + 1n };
  return { file, ...offsets, ...place, leaderEpoch: 0, maxTimestampMs: 0n };
}

function stateOf(partitions: readonly (readonly Extent[])[]): GroupState {
  const states = partitions.map((extents, partition): PartitionState => {
    return {
      topicId: TOPIC_ID,
      topic: 'orders',
      partition,
      cursor: extents.at(-1)?.endOffset ?? 0n,
      asOf: null,
      leaderEpoch: 0,
      logicalStart: null,
      trimIntent: null,
      consolidatedTo: 0n,
      extents,
      segments: [],
      quarantined: [],
    };
  });
  const entries = states.map((state) => [partitionKey(state), state] as const);
  return { ...EMPTY_STATE, partitions: new Map(entries) };
}

interface Figures {
  extentsMost: number;
  bytesWritten: number;
  filesWritten: number;
}

/** @returns what comes of a partition's extents as runs add one after the other */
async function simulate(partitionCount: number, runs: number, bytesOfRun: (run: number) => number) {
  const lists: Extent[][] = Array.from({ length: partitionCount }, () => []);
  const figures: Figures = { extentsMost: 0, bytesWritten: 0, filesWritten: 0 };
  for (let run = 0; run < runs; run++) {
    for (const extents of lists) extents.push(extentOf(run, Math.max(bytesOfRun(run), 100)));
    for (const planned of await planReMerges(stateOf(lists), FILE_BYTES)) {
      figures.bytesWritten += planned.bytes;
      figures.filesWritten += 1;
      for (const { id, extents } of planned.runs) {
        const list = lists[id.partition] ?? [];
        const [first] = extents;
        if (first === undefined) throw new Error('an empty run');
        const bytes = extents.reduce((sum, extent) => sum + bytesOf(extent), 0);
        const merged = { ...extentOf(first.file, bytes), startOffset: first.startOffset };
        list.splice(list.indexOf(first), extents.length, merged);
      }
    }
    const most = Math.max(...lists.map(({ length }) => length));
    figures.extentsMost = Math.max(figures.extentsMost, most);
  }
  return { figures, lists };
}

test('extents of a partition grow with the logarithm of its data, until they are large', async () => {
  const most: number[] = [];
  for (const runs of [100, 1_000, 10_000]) {
    const { figures } = await simulate(1, runs, () => 200);
    most.push(figures.extentsMost);
  }
  expect(most).toEqual([20, 32, 46]);
});

test('write amplification is the number of tiers at most', async () => {
  // A busy group: 100 partitions, 40 MiB a run, which is 400 KiB for each of them.
  const { figures, lists } = await simulate(100, 200, () => 400 * 1024);
  const bytes = 100 * 200 * 400 * 1024;
  expect(figures.bytesWritten / bytes).toBeLessThan(2.1);
  expect(figures.filesWritten / (bytes / 2 ** 30)).toBeLessThan(40);
  for (const extents of lists) expect(extents.length).toBeLessThan(30);
});

test('whatever the sizes are, small extents are few and no extent is larger than a file', async () => {
  const sizes = [100, 5_000_000, 300, 90_000, 100, 100, 12 * MIB, 100, 2_000];
  const { lists } = await simulate(3, 2_000, (run) => sizes[(run * 7) % sizes.length] ?? 100);
  for (const extents of lists) {
    expect(extents.every((extent) => bytesOf(extent) <= FILE_BYTES)).toBe(true);
    const small = extents.filter((extent) => bytesOf(extent) < FILE_BYTES / LARGE_PARTS);
    const large = extents.length - small.length;
    expect(small.length).toBeLessThan(16 * (large + 8));
  }
});

test('a merge merges small extents again, and changes no batch', async () => {
  const site = new MergeSite();
  site.createTopic('orders', 3);
  const job = createMergeJob({ intervalMs: 1, fileBytes: MIB });
  const values: string[] = [];
  for (let run = 0; run < 40; run++) {
    const value = `${run}`.padStart(100 + run * 10, 'x');
    values.push(value);
    for (const partition of [0, 2]) {
      site.produce({ topic: 'orders', partition, batch: batchOf([value]) });
    }
    await (await site.openWorker()).run(job);
  }
  for (const partition of [0, 2]) {
    const state = await site.stateOf('orders', partition);
    expect(state?.extents.length).toBeLessThan(20);
    const batches = await site.readExtents('orders', partition);
    expect(batches.map((batch) => Number(baseOffset(batch)))).toEqual([...values.keys()]);
  }
  const [state] = await site.states();
  const dead = [...(state?.files.values() ?? [])].filter(({ death }) => death?.by === 're-merge');
  expect(dead.length).toBeGreaterThan(20);
});
