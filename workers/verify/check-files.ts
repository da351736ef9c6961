/**
 * Whether the objects of a journal are there: every entry that is still needed, and the data of
 * every merged file that an extent is in. One listing tells; what a listing does not show is asked
 * for by name, because a listing may lag. Deep, every byte is read and checked against its
 * checksum.
 */
import { hasCode } from '../../kafka/index.ts';
import { entryKey, entryPrefix, prunedTo, readMergedFooter } from '../../storage/index.ts';
import type {
  Extent,
  GroupState,
  JournalPlace,
  MergedFooter,
  ObjectStore,
} from '../../storage/index.ts';
import { StoredBatches } from '../extents/stored-batches.ts';
import { placeOf } from './check-offsets.ts';
import type { FindingKind, FindingPlace, Findings } from './finding.ts';

/** Above every offset. */
const OFFSET_END = 2n ** 63n;

interface PlacedExtent extends Extent {
  readonly place: FindingPlace;
}

/**
 * Reports entries that are missing although later ones are there, and that no snapshot makes
 * superfluous.
 *
 * @param journal its store and its place there
 * @param last the last entry that is known from elsewhere, 0 for none
 */
export async function checkEntries(
  journal: JournalPlace,
  last: number,
  findings: Findings,
): Promise<void> {
  const { store, group } = journal;
  const prefix = entryPrefix(group);
  const missing: number[] = [];
  let next = (await prunedTo(journal)) + 1;
  for await (const { key } of store.list(prefix)) {
    const number = Number(key.slice(prefix.length));
    if (!Number.isSafeInteger(number) || number < next) continue;
    missing.push(...(await missingOf(journal, next, number)));
    next = number + 1;
  }
  missing.push(...(await missingOf(journal, next, last + 1)));
  if (missing.length === 0) return;
  // Workers may have gone on deleting meanwhile.
  const prunedSince = await prunedTo(journal);
  for (const number of missing.filter((each) => each > prunedSince)) {
    const object = entryKey(group, number);
    findings.add('journal-hole', `entry ${number} is missing`, { group, object });
  }
}

/** What a listing does not show is asked for. */
async function missingOf(
  { store, group }: JournalPlace,
  from: number,
  to: number,
): Promise<readonly number[]> {
  const missing: number[] = [];
  for (let number = from; number < to; number++) {
    const found = await store.head(entryKey(group, number));
    if (found.kind === 'missing') missing.push(number);
  }
  return missing;
}

/** Reports merged files that are referred to and are gone, hollow or damaged. */
export async function checkFiles(
  group: number,
  state: GroupState,
  store: ObjectStore,
  isDeep: boolean,
  findings: Findings,
): Promise<void> {
  const extents = extentsByFile(group, state);
  const prefix = entryPrefix(group);
  const sound = new Set<number>();
  for await (const { key, byteCount } of store.list(prefix)) {
    const number = Number(key.slice(prefix.length));
    const known = state.files.get(number);
    if (known !== undefined && byteCount >= known.bytes) sound.add(number);
  }
  for (const [file, placed] of extents) {
    if (!isDeep && sound.has(file)) continue;
    await checkFile(group, file, placed, store, isDeep, findings);
  }
}

async function checkFile(
  group: number,
  file: number,
  extents: readonly PlacedExtent[],
  store: ObjectStore,
  isDeep: boolean,
  findings: Findings,
): Promise<void> {
  const object = entryKey(group, file);
  const report = (kind: FindingKind, message: string, of = extents): void => {
    for (const { place, startOffset, endOffset } of of) {
      findings.add(kind, message, { ...place, startOffset, endOffset, object });
    }
  };
  try {
    const footer = await readMergedFooter(store, object);
    if (footer === undefined) report('object-missing', 'a merged file is gone');
    else if (footer.isHollow) report('object-hollow', "a merged file's data was deleted");
    else {
      for (const extent of extents) {
        const problem = await extentProblem(group, extent, footer, store, isDeep);
        if (problem !== undefined) report('object-damaged', problem, [extent]);
      }
    }
  } catch (error) {
    if (!hasCode(error, 'STORAGE_MERGED_CORRUPT')) throw error;
    report('object-damaged', error.message);
  }
}

/** @returns what is wrong with an extent; undefined if it is sound */
async function extentProblem(
  group: number,
  extent: PlacedExtent,
  footer: MergedFooter,
  store: ObjectStore,
  isDeep: boolean,
): Promise<string | undefined> {
  const { topicId, partition } = extent.place;
  const written = footer.extents.find(
    (other) =>
      other.topicId === topicId &&
      other.partition === partition &&
      other.position === extent.position,
  );
  const fits =
    written !== undefined &&
    written.bytes === extent.bytes &&
    written.indexBytes === extent.indexBytes &&
    written.indexCrc === extent.indexCrc &&
    written.startOffset <= extent.startOffset &&
    written.endOffset >= extent.endOffset;
  if (!fits) return "the file's directory does not have the extent";
  if (!isDeep) return undefined;
  try {
    const stored = new StoredBatches({ store, group });
    const batches = stored.extentBatches(extent, extent.startOffset, OFFSET_END);
    // Each is checked when it is read.
    let read = await batches.next();
    while (read.done !== true) read = await batches.next();
    return undefined;
  } catch (error) {
    if (hasCode(error, 'STORAGE_MERGED_CORRUPT')) return error.message;
    throw error;
  }
}

/** Extents in quarantine count too: they are kept for who wants them back. */
function extentsByFile(group: number, state: GroupState): Map<number, PlacedExtent[]> {
  const byFile = new Map<number, PlacedExtent[]>();
  for (const partition of state.partitions.values()) {
    const place = placeOf(group, partition);
    for (const { extents } of [partition, ...partition.quarantined]) {
      for (const extent of extents) {
        const placed = byFile.get(extent.file);
        if (placed === undefined) byFile.set(extent.file, [{ ...extent, place }]);
        else placed.push({ ...extent, place });
      }
    }
  }
  return byFile;
}
