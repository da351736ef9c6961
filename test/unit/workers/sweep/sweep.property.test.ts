/**
 * The jobs themselves, with real journals and a bucket in memory: whatever happens in whatever
 * order, and wherever workers are killed, consumers can read what is in the logs, and in the end
 * every WAL file goes.
 */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { fileCreatedMs } from '../../../../storage/index.ts';
import { batchOf } from '../../../support/merge-site.ts';
import {
  DAY_MS,
  HOUR_MS,
  killedAt,
  SWEEP,
  SweepSite,
  unlessKilled,
} from '../../../support/sweep-site.ts';

const TOPICS = ['a', 'b'];
const NEVER = 1_000;
const TIMEOUT_MS = 180_000;
const SETTLING_ROUNDS = 6;

type Act =
  | { readonly kind: 'produce'; readonly topics: readonly string[] }
  /** Its placeholders may be appended later, or never. */
  | { readonly kind: 'upload'; readonly topic: string }
  | { readonly kind: 'append-late' }
  | { readonly kind: 'merge' | 'sweep' | 'sweep-groups'; readonly killedAt: number }
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'followers'; readonly topic: string; readonly lag: boolean }
  | { readonly kind: 'elect'; readonly topic: string; readonly lost: number }
  | { readonly kind: 'recreate'; readonly topic: string }
  | { readonly kind: 'redis'; readonly forgets: 'all' | 'since-snapshot' }
  | { readonly kind: 'snapshot' };

const topic = fc.constantFrom(...TOPICS);
const killed = fc.oneof(fc.constant(NEVER), fc.nat({ max: 5 }));
const act: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('produce'),
      topics: fc.subarray(TOPICS, { minLength: 1 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('upload'), topic }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('append-late') }) },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constantFrom('merge', 'sweep', 'sweep-groups'),
      killedAt: killed,
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('wait'),
      ms: fc.constantFrom(HOUR_MS, DAY_MS, 4 * DAY_MS),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('followers'), topic, lag: fc.boolean() }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('elect'), topic, lost: fc.nat({ max: 2 }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('recreate'), topic }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('redis'),
      forgets: fc.constantFrom('all', 'since-snapshot'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('snapshot') }) },
);

class Run {
  readonly site = new SweepSite();
  readonly #late: { readonly fileId: bigint; readonly append: () => void }[] = [];
  #snapshot = this.site.coordinator.snapshot();
  #values = 0;

  constructor() {
    for (const name of TOPICS) this.site.createTopic(name);
  }

  async do(act: Act): Promise<void> {
    const { site } = this;
    switch (act.kind) {
      case 'produce':
        site.produce(...act.topics.map((topic) => ({ topic, batch: this.#batch() })));
        return;
      case 'upload':
        this.#late.push(site.upload([{ topic: act.topic, batch: this.#batch() }]));
        return;
      case 'append-late':
        this.#appendLate();
        return;
      case 'merge':
        return unlessKilled(site.merge(killedAt(act.killedAt)));
      case 'sweep':
        return unlessKilled(site.sweep(killedAt(act.killedAt), { vanishedPercentMax: 100 }));
      case 'sweep-groups':
        return unlessKilled(site.sweepGroups(killedAt(act.killedAt)));
      case 'wait':
        return site.clock.advance(act.ms);
      case 'followers':
        this.#lag(act.topic, act.lag);
        return;
      case 'elect':
        this.#elect(act.topic, act.lost);
        return;
      case 'recreate':
        site.createTopic(act.topic);
        return;
      case 'snapshot':
        this.#snapshot = site.coordinator.snapshot();
        return;
      case 'redis':
        if (act.forgets === 'all') site.coordinator.wipe();
        else site.coordinator.fallBackTo(this.#snapshot);
    }
  }

  /** @returns what consumers cannot read */
  async lost(): Promise<string[]> {
    const all = await Promise.all(
      TOPICS.map(async (name) => this.site.lost(this.site.log.partition(name))),
    );
    return all.flat();
  }

  /** Nothing more goes wrong, and time goes by. */
  async settle(): Promise<void> {
    const { site } = this;
    for (const name of TOPICS) this.#lag(name, false);
    this.#late.length = 0;
    for (let round = 0; round < SETTLING_ROUNDS; round++) {
      await site.clock.advance(4 * DAY_MS);
      await site.sweep({}, { vanishedPercentMax: 100 });
      await site.merge();
      await site.merge();
      await site.sweepGroups();
    }
  }

  /** As long as the rule says that a broker may. */
  #appendLate(): void {
    const late = this.#late.shift();
    if (late === undefined) return;
    const ageMs = this.site.clock.wallMs() - fileCreatedMs(late.fileId);
    if (ageMs < SWEEP.unsettledMs) late.append();
  }

  #lag(topic: string, lag: boolean): void {
    const partition = this.site.log.partition(topic);
    if (lag) partition.stopFollowers();
    else partition.followersLag = false;
  }

  /** The newest batches are lost, as those are that no follower had. */
  #elect(topic: string, lost: number): void {
    const partition = this.site.log.partition(topic);
    if (lost === 0) partition.elect();
    else partition.electUnclean(BigInt(Math.max(0, Number(partition.endOffset) - lost)));
  }

  #batch(): Buffer {
    this.#values += 1;
    return batchOf([`value ${this.#values}`]);
  }
}

test('no byte that consumers can reach goes, and every file does', {
  timeout: TIMEOUT_MS,
}, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(act, { minLength: 5, maxLength: 30 }), async (acts) => {
      const run = new Run();
      for (const each of acts) {
        await run.do(each);
        expect(await run.lost(), JSON.stringify(each)).toEqual([]);
      }
      await run.settle();
      expect(await run.lost()).toEqual([]);
      expect(run.site.walFiles()).toEqual([]);
    }),
    { numRuns: 15 },
  );
});
