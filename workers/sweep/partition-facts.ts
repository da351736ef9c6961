/**
 * What one run of the sweep knows of partitions by name: which topic has the name now, what its
 * journal says, and for how long all brokers have denied it. Asks each name once.
 */
import type { NamedTopicPartition } from '../../coordinator/index.ts';
import { Turns } from '../../runtime/index.ts';
import { partitionGroup, partitionKey, type GroupState } from '../../storage/index.ts';
import type { ClusterLog, LogTopic } from '../log/cluster-log.ts';
import { partitionAbsence, type Absences } from './absences.ts';
import type { TwoClocks } from './store-clock.ts';
import type { PartitionFact } from './sweep-rule.ts';

export interface FactSources {
  readonly log: Pick<ClusterLog, 'topics' | 'absentPartitions'>;
  /** Of all groups, by their numbers. */
  readonly states: readonly GroupState[];
  readonly absences: Absences;
  readonly now: TwoClocks;
}

export class PartitionFacts {
  readonly #sources: FactSources;
  /** By topic name; undefined for one that some broker does not know. */
  readonly #topics = new Map<string, LogTopic | undefined>();
  readonly #facts = new Map<string, PartitionFact>();

  constructor(sources: FactSources) {
    this.#sources = sources;
  }

  /**
   * Asks for those that are not known yet.
   *
   * @throws what the brokers' logs throw
   */
  async learn(partitions: readonly NamedTopicPartition[]): Promise<void> {
    const { log, absences, now } = this.#sources;
    const unknown = new Map<string, NamedTopicPartition>();
    const turns = new Turns();
    for (const { topic, partition } of partitions) {
      if (turns.isOver) await turns.next();
      const key = partitionAbsence(topic, partition);
      if (!this.#facts.has(key)) unknown.set(key, { topic, partition });
    }
    const names = [...unknown.values()].map(({ topic }) => topic);
    const asked = [...new Set(names)].filter((name) => !this.#topics.has(name));
    const found = asked.length === 0 ? new Map() : await log.topics(asked);
    for (const name of asked) this.#topics.set(name, found.get(name));
    const missing: NamedTopicPartition[] = [];
    for (const [key, named] of unknown) {
      if (turns.isOver) await turns.next();
      const fact = this.#presentFact(named);
      if (fact === undefined) missing.push(named);
      else {
        this.#facts.set(key, fact);
        absences.remove(key);
      }
    }
    if (missing.length === 0) return;
    const absent = await log.absentPartitions(missing);
    for (const { topic, partition } of missing) {
      const key = partitionAbsence(topic, partition);
      const isAbsent = absent.has(`${topic}/${partition}`);
      if (isAbsent) absences.add(key, now);
      const forMs = absences.forMs(key, now);
      this.#facts.set(key, isAbsent ? { kind: 'absent', forMs } : { kind: 'unknown' });
    }
  }

  /** @returns what was learned */
  of({ topic, partition }: NamedTopicPartition): PartitionFact {
    return this.#facts.get(partitionAbsence(topic, partition)) ?? { kind: 'unknown' };
  }

  /** @returns the keys of all that was asked for */
  keys(): ReadonlySet<string> {
    return new Set(this.#facts.keys());
  }

  /** @returns undefined unless the topic has that partition */
  #presentFact({ topic, partition }: NamedTopicPartition): PartitionFact | undefined {
    const { states } = this.#sources;
    const found = this.#topics.get(topic);
    if (!found?.partitions.some((each) => each.partition === partition)) return undefined;
    const id = { topicId: found.topicId, partition };
    const state = states[partitionGroup(id, states.length)];
    return { kind: 'present', asOf: state?.partitions.get(partitionKey(id))?.asOf };
  }
}
