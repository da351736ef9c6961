/**
 * How many topics to ask for at once, so that an answer has about so many partitions: decoding one
 * holds up everything else of the process, and how many partitions a topic has is known only then.
 */
import type { MetadataResponse } from '../../kafka/index.ts';

/** Some ten milliseconds' worth. */
const PARTITIONS_PER_ANSWER = 4_000;
const TOPICS_FIRST = 20;
const TOPICS_MAX = 1_000;

export class AnswerSize {
  #topics = TOPICS_FIRST;

  /**
   * Cuts a list of topics, as large as answers have shown to be right until each piece is taken.
   */
  *pieces<Topic>(topics: readonly Topic[]): Iterable<readonly Topic[]> {
    let at = 0;
    while (at < topics.length) {
      const piece = topics.slice(at, at + this.#topics);
      yield piece;
      at += piece.length;
    }
  }

  /** Learns from an answer. */
  note({ topics }: MetadataResponse): void {
    if (topics.length === 0) return;
    const partitions = topics.reduce((sum, topic) => sum + topic.partitions.length, 0);
    const fitting = Math.floor((PARTITIONS_PER_ANSWER * topics.length) / Math.max(1, partitions));
    this.#topics = Math.max(1, Math.min(TOPICS_MAX, fitting));
  }
}
