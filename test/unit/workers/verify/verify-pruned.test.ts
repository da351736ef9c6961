/** Journals of which old entries were deleted are sound; what else is missing is found. */
import { beforeEach, expect, test } from 'vitest';
import { entryKey, pruneJournal, SNAPSHOTS_KEPT } from '../../../../storage/index.ts';
import { PRUNE_ALL } from '../../../support/prune-all.ts';
import { CLUSTER_ID, GROUP, Site } from './site.ts';
import { verified } from './verified.ts';

let site: Site;

/** Enough entries for the first ones to be superfluous. */
beforeEach(async () => {
  site = await Site.open();
  await site.produce(0, 1);
  await site.merge();
  for (let snapshots = 0; snapshots < SNAPSHOTS_KEPT; snapshots++) {
    const count = site.journal.state.number;
    await site.commit({ kind: 'merge', samples: [{ ...site.partition(0).id, count }] });
    await site.fillToSnapshot();
  }
});

async function kindsFound(): Promise<string[]> {
  return (await verified(site)).findings.map(({ kind }) => kind);
}

/** Deletes what snapshots have, as the sweep does with old entries. */
async function prune(): Promise<number> {
  const { store } = site;
  return await pruneJournal({ ...PRUNE_ALL, store, clusterId: CLUSTER_ID, group: GROUP });
}

test('entries that were deleted because snapshots have them are no finding', async () => {
  expect(await prune()).toBeGreaterThan(0);
  expect(await verified(site, { isDeep: true })).toMatchObject({ outcome: 'clean', unchecked: [] });
  const stray = entryKey(GROUP, 9);
  site.store.objects.set(stray, site.store.objects.get(entryKey(GROUP, 70)) ?? Buffer.alloc(0));
  expect(await kindsFound()).toEqual([]);
});

test('nor are those that go while others are looked at', async () => {
  const list = site.store.list.bind(site.store);
  let pruned = 0;
  site.store.list = async function* (prefix, options) {
    if (prefix.startsWith('journal/') && pruned === 0) {
      site.store.list = list;
      pruned = await prune();
    }
    yield* list(prefix, options);
  };
  expect(await kindsFound()).toEqual([]);
  expect(pruned).toBeGreaterThan(0);
});

test('an entry that is missing behind a snapshot is found in a journal that was pruned', async () => {
  await prune();
  const object = entryKey(GROUP, 100);
  site.store.objects.delete(object);
  expect((await verified(site)).findings).toMatchObject([{ kind: 'journal-hole', object }]);
  for (const key of site.store.objects.keys()) {
    if (key.startsWith('snapshot/')) site.store.objects.delete(key);
  }
  expect(await kindsFound()).toEqual(['journal-corrupt']);
});
