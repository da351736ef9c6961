/** The parts that know and change topics, put together. */
import type { Logger } from 'pino';
import type { Coordinator } from '../../coordinator/index.ts';
import type { ClusterClient } from '../../kafka/index.ts';
import type { TopicRecordStore } from '../../storage/index.ts';
import { systemClock } from '../../runtime/index.ts';
import { ClusterTopics } from './cluster-topics.ts';
import { DefaultMarker } from './default-marker.ts';
import { parseDisklessTopics } from './diskless-topics.ts';
import { logEndsBy } from './log-ends.ts';
import { TopicAdmin } from './topic-admin.ts';
import { TopicCatalog } from './topic-catalog.ts';
import { TopicRegister } from './topic-register.ts';

export interface TopicsDependencies {
  readonly client: ClusterClient;
  readonly records: TopicRecordStore;
  readonly coordinator: Coordinator;
  /** This member's. */
  readonly memberId: number;
  readonly log: Logger;
}

export interface Topics {
  readonly catalog: TopicCatalog;
  readonly admin: TopicAdmin;
  close(): void;
}

/** @param patterns the value of `diskless.topics` */
export async function openTopics(
  patterns: readonly string[],
  { client, records, coordinator, memberId, log }: TopicsDependencies,
): Promise<Topics> {
  const clock = systemClock;
  const cluster = new ClusterTopics(client);
  const logEnds = logEndsBy(client, log);
  const register = new TopicRegister({ records, coordinator, logEnds, clock });
  const disklessTopics = parseDisklessTopics(patterns);
  const catalog: TopicCatalog = new TopicCatalog({
    cluster,
    coordinator,
    clock,
    onLearned: (topic) => marker.onLearned(topic),
    log,
  });
  const marker = new DefaultMarker({
    cluster,
    register,
    disklessTopics,
    rank: () => coordinator.members().filter((other) => other.memberId < memberId).length,
    learn: (topics) => catalog.learn(topics),
    clock,
    log,
  });
  catalog.start();
  await marker.start();
  const close = (): void => {
    marker.close();
    catalog.close();
  };
  const admin = new TopicAdmin({ cluster, catalog, register, disklessTopics, clock, log });
  return { catalog, admin, close };
}
