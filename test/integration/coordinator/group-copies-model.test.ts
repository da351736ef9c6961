/**
 * Workers that crash between any two calls, work at once, and a Redis that forgets or falls back in
 * time, also in the middle of a change: Redis' copy equals the journal's state of its number.
 */
import * as fc from 'fast-check';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { coordinatorError } from '../../../coordinator/errors.ts';
import { GroupCopies } from '../../../coordinator/group-copies.ts';
import { type CoordinatorKeys, coordinatorKeys } from '../../../coordinator/keys.ts';
import type { RedisSession } from '../../../coordinator/redis/session.ts';
import { SharedSession } from '../../../coordinator/redis/shared-session.ts';
import type { PartitionView } from '../../../coordinator/index.ts';
import { EMPTY_STATE, type GroupState, partitionKey } from '../../../storage/index.ts';
import { newClusterId, openSession } from './support.ts';
import { extent, partition, stateOf, viewsOf } from './worker-fixture.ts';

const GROUP = 1;
/** Several steps of 64. */
const PARTITIONS = 150;
const WORKERS = 2;

let redis: RedisSession;
beforeAll(async () => {
  redis = await openSession(inject('redis').url);
});
afterAll(() => redis.close());

type Mishap = 'crash' | 'wipe' | 'fall-back' | 'fall-back-a-little' | 'other-worker';
const MISHAPS: readonly (Mishap | null)[] = [
  null,
  'crash',
  'wipe',
  'fall-back',
  'fall-back-a-little',
  'other-worker',
];
type Step =
  | { readonly kind: 'commit'; readonly stride: number }
  | { readonly kind: 'keep-snapshot' }
  | {
      readonly kind: 'work';
      readonly worker: number;
      readonly force: boolean;
      /** Before which of its calls it happens, from 0. */
      readonly at: number;
      readonly mishap: Mishap | null;
    };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant('commit'), stride: fc.integer({ min: 1, max: 3 }) }),
  fc.constant({ kind: 'keep-snapshot' }),
  fc.record({
    kind: fc.constant('work'),
    worker: fc.nat({ max: WORKERS - 1 }),
    force: fc.boolean(),
    at: fc.nat({ max: 3 }),
    mishap: fc.constantFrom(...MISHAPS),
  }),
);

/** Everything of one Kafka cluster that is in Redis. */
class Snapshots {
  readonly #pattern: string;
  #kept: { readonly key: Buffer; readonly value: Buffer }[] = [];

  constructor(keys: CoordinatorKeys) {
    this.#pattern = `${keys
      .group(0)
      .replace(/:0$/, '')
      .replace(/[[\]?*]/g, '\\$&')}*`;
  }

  async keep(): Promise<void> {
    this.#kept = [];
    for (const key of await this.#keys()) {
      const value = await redis.call('DUMP', [key]);
      if (Buffer.isBuffer(value)) this.#kept.push({ key, value });
    }
  }

  async wipe(): Promise<void> {
    for (const key of await this.#keys()) await redis.call('DEL', [key]);
  }

  async fallBack(): Promise<void> {
    await this.wipe();
    for (const { key, value } of this.#kept) await redis.call('RESTORE', [key, 0, value]);
  }

  async #keys(): Promise<Buffer[]> {
    const reply = await redis.call('KEYS', [this.#pattern]);
    return Array.isArray(reply) ? reply.filter((key) => Buffer.isBuffer(key)) : [];
  }
}

class World {
  readonly keys = coordinatorKeys('model', newClusterId());
  readonly snapshots = new Snapshots(this.keys);
  /** By number. */
  readonly journal: GroupState[] = [EMPTY_STATE];
  readonly #copies: GroupCopies[] = [];
  readonly #sessions: RedisSession[] = [];
  readonly #known = Array.from({ length: WORKERS }, () => 0);
  #beforeCall: () => Promise<void> = async () => undefined;

  get latest(): GroupState {
    return this.journal.at(-1) ?? EMPTY_STATE;
  }

  commit(stride: number): void {
    const number = this.latest.number + 1;
    const partitions = new Map(this.latest.partitions);
    for (let index = number % stride; index < PARTITIONS; index += stride) {
      const cursor = BigInt(number);
      const extents = [extent(number, 0n, cursor)];
      const next = partition(index, { cursor, extents });
      if (stride === 1 && index % 3 === number % 3) partitions.delete(partitionKey(next));
      else partitions.set(partitionKey(next), next);
    }
    this.journal.push(stateOf(number, [...partitions.values()]));
  }

  /** As a worker does that commits, or, if it is forced, as one that just took the group. */
  async work(worker: number, force: boolean): Promise<void> {
    const copies = await this.#copiesOf(worker);
    const [from, to] = [this.journal[this.#known[worker] ?? 0] ?? EMPTY_STATE, this.latest];
    this.#known[worker] = to.number;
    if (!force && (await copies.apply(GROUP, from, to)) === 'applied') return;
    if (force && (await copies.appliedNumber(GROUP)) === to.number) return;
    await copies.load(GROUP, to);
  }

  /** @returns whether it came to an end */
  async workWith(step: Extract<Step, { readonly kind: 'work' }>): Promise<boolean> {
    if (step.mishap === 'fall-back-a-little') await this.snapshots.keep();
    let call = 0;
    this.#beforeCall = async () => {
      if (call++ !== step.at) return;
      if (step.mishap === 'wipe') await this.snapshots.wipe();
      if (step.mishap?.startsWith('fall-back') === true) await this.snapshots.fallBack();
      if (step.mishap === 'other-worker') await this.work((step.worker + 1) % WORKERS, step.force);
      if (step.mishap !== 'crash') return;
      throw coordinatorError('COORDINATOR_TIMED_OUT', 'crashed');
    };
    try {
      await this.work(step.worker, step.force);
      return true;
    } catch (error) {
      expect(error).toMatchObject({ message: 'crashed' });
      // Whoever comes next reads the journal.
      this.#known[step.worker] = this.latest.number;
      return false;
    } finally {
      this.#beforeCall = async () => undefined;
    }
  }

  async appliedNumber(): Promise<number> {
    return await (await this.#copiesOf(0)).appliedNumber(GROUP);
  }

  async check(): Promise<void> {
    const copies = await this.#copiesOf(0);
    const views = new Map<string, PartitionView>();
    for await (const view of copies.views(GROUP)) views.set(partitionKey(view), view);
    const number = await copies.appliedNumber(GROUP);
    const isUnderWay = (await redis.call('HEXISTS', [this.keys.group(GROUP), 'step'])) === 1;
    if (!isUnderWay) {
      expect(views).toEqual(viewsOf(GROUP, this.journal[number] ?? EMPTY_STATE));
      return;
    }
    const later = this.journal.slice(number).map((state) => viewsOf(GROUP, state));
    for (const [key, view] of views) expect(later.map((of) => of.get(key))).toContainEqual(view);
  }

  close(): void {
    for (const session of this.#sessions) session.close();
  }

  async #copiesOf(worker: number): Promise<GroupCopies> {
    const known = this.#copies[worker];
    if (known !== undefined) return known;
    const shared = new SharedSession(async () => {
      const session = await openSession(inject('redis').url);
      this.#sessions.push(session);
      const run = session.run.bind(session);
      session.run = async (...args) => {
        await this.#beforeCall();
        return await run(...args);
      };
      return session;
    });
    const copies = new GroupCopies(shared, this.keys);
    this.#copies[worker] = copies;
    return copies;
  }
}

test("Redis' copy equals the journal's state of its number, whatever happens to it", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 14 }), async (steps) => {
      const world = new World();
      try {
        for (const step of steps) {
          if (step.kind === 'commit') world.commit(step.stride);
          else if (step.kind === 'keep-snapshot') await world.snapshots.keep();
          else await world.workWith(step);
          await world.check();
        }
        await world.workWith({ kind: 'work', worker: 0, force: true, at: 0, mishap: null });
        await world.work(1, false);
        await world.check();
        expect(await world.appliedNumber()).toBe(world.latest.number);
        await world.snapshots.wipe();
      } finally {
        world.close();
      }
    }),
    { numRuns: 80 },
  );
});
