/**
 * The partitions that WAL files name, as members announced them: shared by the merges of a process,
 * so that each announcement is read once. A hint: what it misses is marked, or in a journal.
 */
import type {
  FileAnnouncement,
  NamedTopicPartition,
  WorkerCoordinator,
} from '../../coordinator/index.ts';
import { Turns, type Clock } from '../../runtime/index.ts';

const PAGE_FILES = 1_000;
/** A worker that starts late catches up over several runs. */
const PAGES_MAX = 50;
/** Far above a cluster's partitions; the oldest are forgotten first. */
const NAMES_MAX = 500_000;
/** So many names are little work. */
const SLICE_MIN = 1_000;
/** Merges of several groups that begin together ask once. */
const FRESH_MS = 1_000;

type Announcing = Pick<WorkerCoordinator, 'settledFiles' | 'unsettledFiles'>;

export class AnnouncedPartitions {
  /** When each name was read last, on the monotonic clock. */
  readonly #names = new Map<string, number>();
  #after = 0;
  #asking: Promise<void> | undefined;
  #freshUntilMs = Number.NEGATIVE_INFINITY;

  /** @throws `COORDINATOR_…` while Redis cannot be asked */
  async refresh(
    coordinator: Announcing,
    clock: Pick<Clock, 'monotonicMs' | 'wallMs'>,
  ): Promise<void> {
    if (clock.monotonicMs() < this.#freshUntilMs) return;
    this.#asking ??= this.#ask(coordinator, clock).finally(() => {
      this.#asking = undefined;
    });
    await this.#asking;
  }

  /** As `nameOf` makes them. */
  names(): Iterable<string> {
    return this.#names.keys();
  }

  /** Those that were read since then, on the monotonic clock: they may have something new. */
  *namesSince(sinceMs: number): Iterable<string> {
    for (const [name, readMs] of this.#names) if (readMs >= sinceMs) yield name;
  }

  has(name: string): boolean {
    return this.#names.has(name);
  }

  async #ask(coordinator: Announcing, clock: Pick<Clock, 'monotonicMs' | 'wallMs'>): Promise<void> {
    const nowMs = clock.monotonicMs();
    for (let page = 0; page < PAGES_MAX; page++) {
      const files = await coordinator.settledFiles(this.#after, PAGE_FILES);
      const last = files.at(-1);
      if (last === undefined) break;
      await this.#add(files, nowMs);
      this.#after = last.settledNumber;
    }
    await this.#add(await coordinator.unsettledFiles(clock.wallMs(), PAGE_FILES), nowMs);
    this.#freshUntilMs = clock.monotonicMs() + FRESH_MS;
  }

  async #add(files: readonly FileAnnouncement[], nowMs: number): Promise<void> {
    const turns = new Turns();
    let seen = 0;
    for (const { partitions } of files) {
      for (const partition of partitions) this.#names.set(nameOf(partition), nowMs);
      seen += partitions.length;
      if (seen >= SLICE_MIN && turns.isOver) await turns.next();
    }
    for (const name of this.#names.keys()) {
      if (this.#names.size <= NAMES_MAX) break;
      this.#names.delete(name);
    }
  }
}

/** @returns a partition's name, by which files know it */
export function nameOf({ topic, partition }: NamedTopicPartition): string {
  return `${topic}/${partition}`;
}
