/**
 * Puts the diskless nodes into answers that name the leaders of partitions, and shows the topics of
 * such answers to the catalog on the way.
 */
import { KafkaErrorCode, Reader, ZERO_UUID } from '../../kafka/index.ts';
import type { Logger } from 'pino';
import type { NodeDirectory } from '../nodes/node-directory.ts';
import { patchLeaders, type SkimmedTopic, type TopicLayout } from './topic-skim.ts';

/** As much of the topic catalog as is needed here. */
export interface KnownTopics {
  byName(name: string): KnownTopic | undefined;
  byId(topicId: string): KnownTopic | undefined;
  learn(topics: readonly { readonly name: string; readonly topicId: string }[]): void;
  lookUp(topics: { readonly names?: readonly string[] }): Promise<void>;
}

export interface KnownTopic {
  readonly name: string;
  readonly diskless: boolean;
}

export interface DisklessLeadersOptions {
  readonly directory: NodeDirectory;
  readonly catalog: KnownTopics;
}

/** An answer whose topics have been skimmed. */
export interface SkimmedAnswer {
  readonly frame: Buffer;
  readonly layout: TopicLayout;
  readonly topics: readonly SkimmedTopic[];
  /** The client's. */
  readonly rack: string;
  readonly log: Logger;
}

export class DisklessLeaders {
  readonly #directory: NodeDirectory;
  readonly #catalog: KnownTopics;

  constructor({ directory, catalog }: DisklessLeadersOptions) {
    this.#directory = directory;
    this.#catalog = catalog;
  }

  /**
   * Changes the frame of an answer. Waits only where the answer has no topic ids (Metadata before
   * v10) and a topic is not known yet; without the catalog's help it counts as classic, which is as
   * correct.
   */
  patch(answer: SkimmedAnswer): void | Promise<void> {
    const existing = answer.topics.filter(({ errorCode }) => errorCode === KafkaErrorCode.NONE);
    this.#catalog.learn(
      existing.flatMap(({ name, topicId }) =>
        name === null || topicId === ZERO_UUID ? [] : [{ name, topicId }],
      ),
    );
    const unknown = existing.flatMap(({ name, topicId }) =>
      name === null || topicId !== ZERO_UUID || this.#catalog.byName(name) !== undefined
        ? []
        : [name],
    );
    if (unknown.length === 0) return this.#patchKnown(answer);
    return this.#catalog
      .lookUp({ names: unknown })
      .catch((error: unknown) => {
        answer.log.warn({ err: error }, 'topics of a metadata answer could not be looked up');
      })
      .then(() => this.#patchKnown(answer));
  }

  #patchKnown({ frame, layout, topics, rack }: SkimmedAnswer): void {
    for (const { name, topicId, partitionsAt } of topics) {
      const topic = name === null ? this.#catalog.byId(topicId) : this.#catalog.byName(name);
      if (topic?.diskless !== true) continue;
      patchLeaders(new Reader(frame, partitionsAt), layout, (brokerId, partition) =>
        this.#directory.leaderOf(rack, brokerId, topic.name, partition),
      );
    }
  }
}
