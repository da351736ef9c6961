/**
 * Which of the topics that journals and records know are no more. One that vanished is a deleted
 * topic; many at once are rather a cluster that has forgotten them, and then nothing is deleted.
 */
import { TopicRecordStore, type GroupState } from '../../storage/index.ts';
import type { ClusterJobContext } from '../cluster-job.ts';
import { topicAbsence, type Absences } from './absences.ts';
import type { TwoClocks } from './store-clock.ts';

/** All live brokers have denied a topic for so long: then it is deleted. */
export const ABSENT_MS = 86_400_000;

export interface DeletedTopicsOptions {
  /** Of all topics may be missing at once; one may be at any rate. */
  readonly vanishedPercentMax: number;
  readonly absentMs: number;
}

/**
 * Asks the brokers for every topic, and notes which ones all of them deny.
 *
 * @returns false if too many are missing: then the sweep must not go on
 */
export async function noteAbsences(
  context: ClusterJobContext,
  states: readonly GroupState[],
  absences: Absences,
  now: TwoClocks,
  { vanishedPercentMax }: DeletedTopicsOptions,
): Promise<boolean> {
  const { log, topics, logger } = context;
  const known = new Set(topics.topics().keys());
  for (const { partitions } of states) {
    for (const { topicId } of partitions.values()) known.add(topicId);
  }
  const presence = known.size === 0 ? new Map() : await log.topicPresence([...known]);
  const absent = [...known].filter((topicId) => presence.get(topicId) === 'absent');
  const absentMax = Math.max(1, Math.floor((known.size * vanishedPercentMax) / 100));
  const isStopped = absent.length > absentMax;
  absences.stop(isStopped);
  if (isStopped) {
    logger.error(
      { absent: absent.length, topics: known.size, absentMax, sample: absent.slice(0, 10) },
      'the sweep has stopped: more topics have vanished at once than sweep.vanished.percent.max ' +
        'allows. Nothing is deleted until they are back, or that is raised',
    );
  }
  for (const topicId of absent) absences.add(topicAbsence(topicId), now);
  const isAbsent = new Set(absent.map(topicAbsence));
  for (const key of absences.keys()) {
    if (!key.startsWith(topicAbsence('')) || isAbsent.has(key)) continue;
    // Whoever is silent contradicts nobody.
    const topicId = key.slice(topicAbsence('').length);
    if (presence.get(topicId) !== 'unknown') absences.remove(key);
  }
  return !isStopped;
}

/** Deletes the records of topics that are deleted, once no journal has anything of them. */
export async function dropRecords(
  context: ClusterJobContext,
  states: readonly GroupState[],
  absences: Absences,
  now: TwoClocks,
  { absentMs }: DeletedTopicsOptions,
): Promise<void> {
  const { topics, store, logger } = context;
  const left = new Set(
    states.flatMap(({ partitions }) => [...partitions.values()].map(({ topicId }) => topicId)),
  );
  const records = new TopicRecordStore(store);
  for (const { topicId, name } of topics.topics().values()) {
    if (left.has(topicId) || !isDeleted(topicId, absences, now, absentMs)) continue;
    await records.delete(topicId);
    topics.removeTopic(topicId);
    logger.info({ topicId, topic: name }, 'the record of a deleted topic is deleted');
  }
}

/** @returns whether all brokers have denied the topic for long enough, by every clock */
export function isDeleted(
  topicId: string,
  absences: Absences,
  now: TwoClocks,
  absentMs: number,
): boolean {
  const forMs = absences.forMs(topicAbsence(topicId), now);
  return forMs.length > 0 && forMs.every((ms) => ms >= absentMs);
}
