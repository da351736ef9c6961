/**
 * What `outrigger verify` may find: the kinds, how bad each is, and where. `docs/operations.md` says
 * for each kind what to do. It owns no check.
 */

/**
 * `loss`: acknowledged data cannot be served as things are. `damage`: something contradicts the
 * journal; what is served may be wrong or stop. `waste`: nothing but space or time is lost.
 */
export type Severity = 'loss' | 'damage' | 'waste';

export const FINDING_SEVERITY = {
  /** A journal entry is missing although later ones are there. */
  'journal-hole': 'loss',
  /** A journal cannot be read to its end. */
  'journal-corrupt': 'loss',
  /** Bucket or Redis belongs to another Kafka cluster. */
  'foreign-cluster': 'damage',
  /** A topic's record cannot be read. */
  'topic-record-corrupt': 'damage',
  /** An object that data is in is gone. */
  'object-missing': 'loss',
  /** A merged file that is referred to has had its data deleted. */
  'object-hollow': 'loss',
  /** An object does not hold what the journal says: sizes, checksums, offsets. */
  'object-damaged': 'loss',
  /** Offsets below the cursor that neither an extent nor a segment covers. */
  'offsets-gap': 'loss',
  /** Offsets that two extents, or two segments, cover. */
  'offsets-overlap': 'damage',
  /** A file's count of references, or its death, does not fit the extents. */
  'references-wrong': 'damage',
  /** Objects of a segment that no journal knows. */
  'segment-orphan': 'waste',
  /** A WAL file that Redis knows nothing of: the sweep keeps it for `sweep.unsettled.ms`. */
  'wal-file-orphan': 'waste',
  /** Redis keeps a WAL file that is not in the bucket. */
  'wal-file-gone': 'waste',
  /** Redis has not applied what the journal has. */
  'redis-behind': 'damage',
  /** Redis has entries that the journal does not have. */
  'redis-ahead': 'damage',
  /** Redis says of a partition what the journal does not say. */
  'redis-differs': 'damage',
  /** The cursor is above the end of the broker's log. */
  'cursor-above-log-end': 'damage',
  /** The broker's log has other batches below the cursor than were merged. */
  'history-differs': 'damage',
} as const satisfies Readonly<Record<string, Severity>>;

export type FindingKind = keyof typeof FINDING_SEVERITY;

/** Where a finding is; what does not apply is left out. */
export interface FindingPlace {
  readonly group?: number;
  readonly topic?: string;
  readonly topicId?: string;
  readonly partition?: number;
  readonly startOffset?: bigint;
  /** Exclusive. */
  readonly endOffset?: bigint;
  /** A key in the bucket. */
  readonly object?: string;
}

export interface Finding extends FindingPlace {
  readonly kind: FindingKind;
  readonly severity: Severity;
  /** For people, without anything of the data. */
  readonly message: string;
}

/** Something that could not be looked at: the check says nothing about it. */
export interface Unchecked extends FindingPlace {
  readonly what: string;
  readonly reason: string;
}

export interface FindingListener {
  readonly onFinding: (finding: Finding) => void;
  readonly onUnchecked: (unchecked: Unchecked) => void;
}

/** Counts what it passes on: findings are never kept, there may be many. */
export class Findings {
  readonly #listener: FindingListener;
  readonly #counts = new Map<FindingKind, number>();
  #uncheckedCount = 0;

  constructor(listener: FindingListener) {
    this.#listener = listener;
  }

  add(kind: FindingKind, message: string, place: FindingPlace = {}): void {
    this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + 1);
    this.#listener.onFinding({ kind, severity: FINDING_SEVERITY[kind], message, ...place });
  }

  unchecked(what: string, reason: string, place: FindingPlace = {}): void {
    this.#uncheckedCount++;
    this.#listener.onUnchecked({ what, reason, ...place });
  }

  get counts(): ReadonlyMap<FindingKind, number> {
    return this.#counts;
  }

  get uncheckedCount(): number {
    return this.#uncheckedCount;
  }
}
