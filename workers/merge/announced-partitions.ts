/**
 * The partitions that WAL files name, as members announced them: shared by the merges of a process,
 * so that each announcement is read once. A hint: what it misses is marked, or in a journal.
 */
import type {
  FileAnnouncement,
  NamedTopicPartition,
  WorkerCoordinator,
} from '../../coordinator/index.ts';
import type { Clock } from '../../runtime/index.ts';

const PAGE_FILES = 1_000;
/** A worker that starts late catches up over several runs. */
const PAGES_MAX = 50;
/** Far above a cluster's partitions; the oldest are forgotten first. */
const NAMES_MAX = 500_000;
/** Merges of several groups that begin together ask once. */
const FRESH_MS = 1_000;

type Announcing = Pick<WorkerCoordinator, 'settledFiles' | 'unsettledFiles'>;

export class AnnouncedPartitions {
  readonly #names = new Set<string>();
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
    return this.#names;
  }

  has(name: string): boolean {
    return this.#names.has(name);
  }

  async #ask(coordinator: Announcing, clock: Pick<Clock, 'monotonicMs' | 'wallMs'>): Promise<void> {
    for (let page = 0; page < PAGES_MAX; page++) {
      const files = await coordinator.settledFiles(this.#after, PAGE_FILES);
      this.#add(files);
      this.#after = files.at(-1)?.settledNumber ?? this.#after;
      if (files.length < PAGE_FILES) break;
    }
    this.#add(await coordinator.unsettledFiles(clock.wallMs(), PAGE_FILES));
    this.#freshUntilMs = clock.monotonicMs() + FRESH_MS;
  }

  #add(files: readonly FileAnnouncement[]): void {
    for (const partition of files.flatMap(({ partitions }) => partitions)) {
      this.#names.add(nameOf(partition));
    }
    for (const name of this.#names) {
      if (this.#names.size <= NAMES_MAX) break;
      this.#names.delete(name);
    }
  }
}

/** @returns a partition's name, by which files know it */
export function nameOf({ topic, partition }: NamedTopicPartition): string {
  return `${topic}/${partition}`;
}
