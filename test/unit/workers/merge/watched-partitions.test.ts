import { expect, test } from 'vitest';
import { partitionKey, type PartitionState } from '../../../../storage/index.ts';
import { AnnouncedPartitions, nameOf } from '../../../../workers/merge/announced-partitions.ts';
import { TopicLookups } from '../../../../workers/merge/topic-lookups.ts';
import { TopicTurns } from '../../../../workers/merge/topic-turns.ts';
import { watchedPartitions } from '../../../../workers/merge/watched-partitions.ts';
import type { LogTopic } from '../../../../workers/log/cluster-log.ts';
import { batchOf, MergeSite } from '../../../support/merge-site.ts';

const TOPICS = 20;
const HOT_MS = 1_000;
/** More runs than any topic has to wait for. */
const RUNS = 8;

test('all partitions of a small group are looked at in each run', async () => {
  const large = await Large.open(10);
  for (let run = 0; run < 3; run++) expect((await large.watch()).length).toBe(TOPICS * 10);
});

test('a large group is looked at in parts, and wholly within some runs', async () => {
  const large = await Large.open(1_000);
  const seen = new Set<string>();
  for (let run = 0; run < RUNS; run++) {
    const watched = await large.watch();
    expect(watched.length).toBeLessThan((TOPICS * 1_000) / 2);
    for (const name of watched) seen.add(name);
  }
  expect(seen.size).toBe(TOPICS * 1_000);
});

test('what a file has named is looked at in each run, as long as it may be new', async () => {
  const large = await Large.open(1_000);
  const named = ['topic-3/17', 'topic-4/900'];
  large.announce(named);
  for (let run = 0; run < RUNS; run++)
    expect(await large.watch()).toEqual(expect.arrayContaining(named));
  await large.site.clock.advance(2 * HOT_MS);
  const later = await Promise.all(Array.from({ length: RUNS }, async () => large.watch()));
  expect(later.filter((watched) => watched.includes('topic-3/17')).length).toBe(1);
});

test('what the sweep asks for is looked at in each run', async () => {
  const large = await Large.open(1_000);
  await large.site.coordinator.requestSamples([{ topic: 'topic-7', partition: 7 }]);
  for (let run = 0; run < RUNS; run++) expect(await large.watch()).toContain('topic-7/7');
});

test('merges that begin together ask for a topic once', async () => {
  const lookups = new TopicLookups();
  const asked: string[][] = [];
  const log = {
    topics: async (names: readonly string[]) => {
      asked.push([...names]);
      await new Promise((resolve) => setImmediate(resolve));
      return new Map(names.map((topic) => [topic, topicOf(topic)]));
    },
  };
  const [first, second] = await Promise.all([
    lookups.get(new Set(['a', 'b']), log),
    lookups.get(new Set(['b', 'c']), log),
  ]);
  expect(asked).toEqual([['a', 'b'], ['c']]);
  expect(first?.map(({ topic }) => topic)).toEqual(['a', 'b']);
  expect(second?.map(({ topic }) => topic).toSorted()).toEqual(['b', 'c']);
  await lookups.get(new Set(['a']), log);
  expect(asked.at(-1)).toEqual(['a']);
});

function topicOf(topic: string): LogTopic {
  return { topicId: topic, topic, partitions: [] };
}

/** A group of many partitions that are merged up to their logs' ends. */
class Large {
  readonly site = new MergeSite();
  readonly #partitions = new Map<string, PartitionState>();
  readonly #announced = new AnnouncedPartitions();
  readonly #tools = {
    announced: this.#announced,
    turns: new TopicTurns(),
    lookups: new TopicLookups(),
    hotMs: HOT_MS,
  };

  static async open(partitionsPerTopic: number): Promise<Large> {
    const large = new Large();
    for (let number = 0; number < TOPICS; number++) {
      for (const { id } of large.site.createTopic(`topic-${number}`, partitionsPerTopic)) {
        large.#partitions.set(partitionKey(id), { ...EMPTY, ...id });
      }
    }
    await large.site.clock.advance(10 * HOT_MS);
    return large;
  }

  announce(names: readonly string[]): void {
    const produced = names.map((name) => {
      const [topic = '', partition] = name.split('/');
      return { topic, partition: Number(partition), batch: batchOf(['value']) };
    });
    this.site.produce(...produced);
  }

  /** @returns the names of the partitions that a run looks at */
  async watch(): Promise<readonly string[]> {
    const { site } = this;
    await this.#announced.refresh(site.coordinator, site.clock);
    const state = {
      number: 1,
      partitions: this.#partitions,
      files: new Map(),
      deadSegments: new Map(),
    };
    const group = { number: 0, groupCount: 1, state, commit: NEVER, hollowOut: NEVER };
    const { clock, coordinator, log, store } = site;
    const topics = { topics: () => site.topics, publishTopic: () => {}, removeTopic: () => {} };
    const context = { group, topics, coordinator, log, store, clock };
    const watched = await watchedPartitions(context, this.#tools);
    return watched.map(({ leader }) => nameOf(leader));
  }
}

const NEVER = async (): Promise<never> => {
  throw new Error('nothing is written');
};

const EMPTY: Omit<PartitionState, 'topicId' | 'topic' | 'partition'> = {
  cursor: 0n,
  asOf: null,
  leaderEpoch: -1,
  logicalStart: null,
  trimIntent: null,
  consolidatedTo: 0n,
  extents: [],
  segments: [],
  quarantined: [],
};
