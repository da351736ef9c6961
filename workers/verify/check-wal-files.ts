/**
 * Whether Redis and the bucket know the same WAL files. Neither is wrong for long by itself: what
 * Redis forgot the sweep keeps for `sweep.unsettled.ms`, and what is gone it forgets.
 */
import type { FileAnnouncement, WorkerCoordinator } from '../../coordinator/index.ts';
import { fileCreatedMs, fileIdOf, WAL_PREFIX, walKey } from '../../storage/index.ts';
import type { ObjectStore } from '../../storage/index.ts';
import type { Findings } from './finding.ts';

/** Files that Redis is asked for at once. */
const PAGE_FILES = 1_000;

export interface WalCheck {
  readonly store: ObjectStore;
  readonly coordinator: Pick<WorkerCoordinator, 'knownFiles' | 'settledFiles' | 'unsettledFiles'>;
  /** Younger files may be on their way, in one place and not yet in the other. */
  readonly createdBeforeMs: number;
}

export async function checkWalFiles(check: WalCheck, findings: Findings): Promise<void> {
  const { store, coordinator, createdBeforeMs } = check;
  let page: bigint[] = [];
  const ask = async (): Promise<void> => {
    const known = await coordinator.knownFiles(page);
    for (const fileId of page) {
      const object = walKey(fileId);
      // A sweep may have deleted it since it was listed.
      if (known.has(fileId) || !(await isThere(object, store))) continue;
      findings.add('wal-file-orphan', 'Redis does not know this WAL file', { object });
    }
    page = [];
  };
  for await (const { key } of store.list(WAL_PREFIX)) {
    const fileId = fileIdOf(key);
    if (fileId === undefined || fileCreatedMs(fileId) >= createdBeforeMs) continue;
    if (page.push(fileId) === PAGE_FILES) await ask();
  }
  await ask();
  await checkSettled(check, findings);
  const unsettled = await coordinator.unsettledFiles(createdBeforeMs, PAGE_FILES);
  await checkThere(unsettled, 'unsettled', check, findings);
}

async function checkSettled(check: WalCheck, findings: Findings): Promise<void> {
  let after = 0;
  for (;;) {
    const files = await check.coordinator.settledFiles(after, PAGE_FILES);
    await checkThere(files, 'settled', check, findings);
    const last = files.at(-1);
    if (last === undefined || last.settledNumber <= after) return;
    after = last.settledNumber;
  }
}

/** The files of a page were written in one short time: one listing of that time tells. */
async function checkThere(
  files: readonly FileAnnouncement[],
  what: 'settled' | 'unsettled',
  { store, coordinator, createdBeforeMs }: WalCheck,
  findings: Findings,
): Promise<void> {
  const old = files.filter(({ fileId }) => fileCreatedMs(fileId) < createdBeforeMs);
  const sorted = old.map(({ fileId }) => fileId).sort((a, b) => (a < b ? -1 : 1));
  const [first] = sorted;
  const last = sorted.at(-1);
  if (first === undefined || last === undefined) return;
  const missing = new Set(sorted);
  const startAfter = walKey(first - 1n);
  for await (const { key } of store.list(WAL_PREFIX, { startAfter })) {
    const fileId = fileIdOf(key);
    if (fileId !== undefined) missing.delete(fileId);
    if (key >= walKey(last) || missing.size === 0) break;
  }
  // A sweep deletes files first and has Redis forget them then.
  const kept = missing.size === 0 ? missing : await coordinator.knownFiles([...missing]);
  for (const fileId of kept) {
    const object = walKey(fileId);
    if (await isThere(object, store)) continue;
    findings.add('wal-file-gone', `Redis keeps it as ${what}, and it is not there`, { object });
  }
}

async function isThere(object: string, store: ObjectStore): Promise<boolean> {
  return (await store.head(object)).kind === 'found';
}
