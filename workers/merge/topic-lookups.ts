/**
 * Asks the brokers for topics, on behalf of the merges of a process: those of several groups begin
 * together, and want nearly the same topics. Nothing is kept but what is being asked.
 */
import type { ClusterLog, LogTopic } from '../log/cluster-log.ts';

type Found = Promise<ReadonlyMap<string, LogTopic>>;

export class TopicLookups {
  /** By topic name. */
  readonly #asking = new Map<string, Found>();

  /**
   * @returns those that exist, no older than the merges that are under way
   * @throws as `ClusterLog.topics`
   */
  async get(
    names: ReadonlySet<string>,
    log: Pick<ClusterLog, 'topics'>,
  ): Promise<readonly LogTopic[]> {
    const missing = [...names].filter((name) => !this.#asking.has(name));
    if (missing.length > 0) {
      const asking = log.topics(missing).finally(() => {
        for (const name of missing) this.#asking.delete(name);
      });
      for (const name of missing) this.#asking.set(name, asking);
    }
    const answers = new Set<Found>();
    for (const name of names) {
      const answer = this.#asking.get(name);
      if (answer !== undefined) answers.add(answer);
    }
    const found = (await Promise.all(answers)).flatMap((topics) => [...topics.values()]);
    return found.filter(({ topic }) => names.has(topic));
  }
}
