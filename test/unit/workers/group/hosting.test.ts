import { assert, integer, property } from 'fast-check';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import type { Lease, WorkerPlace } from '../../../../coordinator/index.ts';
import { fairShare, Hosting, type Post } from '../../../../workers/group/hosting.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

const logger = pino({ level: 'silent' });
const GROUPS = 5;
const ROUND_MS = 2_000;

/** Leases and live workers, as Redis has them. */
class Site {
  readonly clock = new FakeClock();
  readonly leases = new Map<string, { readonly owner: string; readonly lost: AbortController }>();
  readonly live = new Set<string>();
  readonly killed = new Set<string>();
  /** Posts that are open, by worker. */
  readonly open = new Map<string, Set<string>>();
  isRedisAway = false;

  start(worker: string): Hosting {
    const open = new Set<string>();
    this.open.set(worker, open);
    const post = (name: string): Post => ({
      name,
      open: async () => {
        open.add(name);
        return { tend: async () => undefined, close: async () => void open.delete(name) };
      },
    });
    const hosting = new Hosting({
      coordinator: {
        beat: async () => this.#beat(worker),
        acquireLease: async (name) => this.#acquire(worker, name),
      },
      groups: Array.from({ length: GROUPS }, (_, group) => post(`group-${group}`)),
      cluster: post('cluster'),
      clock: this.clock,
      random: () => 0.5,
      logger,
    });
    hosting.start();
    return hosting;
  }

  /** A worker is killed, and its leases expire. */
  kill(worker: string): void {
    this.killed.add(worker);
    this.live.delete(worker);
    this.open.delete(worker);
    for (const [name, { owner, lost }] of this.leases) {
      if (owner !== worker) continue;
      this.leases.delete(name);
      lost.abort();
    }
  }

  loseAllLeases(): void {
    for (const { lost } of this.leases.values()) lost.abort();
    this.leases.clear();
  }

  async rounds(count: number): Promise<void> {
    await this.clock.advance(count * ROUND_MS);
  }

  groupsOf(worker: string): string[] {
    return [...(this.open.get(worker) ?? [])].filter((name) => name !== 'cluster').sort();
  }

  #beat(worker: string): WorkerPlace {
    if (this.isRedisAway || this.killed.has(worker)) throw new Error('Redis is away');
    this.live.add(worker);
    const ids = [...this.live].sort();
    return { count: ids.length, rank: ids.indexOf(worker) };
  }

  #acquire(owner: string, name: string): Lease | undefined {
    if (this.isRedisAway) throw new Error('Redis is away');
    if (this.leases.has(name)) return undefined;
    const lost = new AbortController();
    this.leases.set(name, { owner, lost });
    const release = async (): Promise<void> => {
      if (this.leases.get(name)?.lost === lost) this.leases.delete(name);
    };
    return { name, lost: lost.signal, release };
  }
}

test('fair shares differ by one at most, and add up to all groups', () => {
  assert(
    property(integer({ min: 1, max: 300 }), integer({ min: 1, max: 40 }), (groups, count) => {
      const shares = Array.from({ length: count }, (_, rank) => fairShare(groups, { count, rank }));
      expect(shares.reduce((sum, share) => sum + share, 0)).toBe(groups);
      expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(1);
    }),
  );
});

test('a lone worker fills all posts', async () => {
  const site = new Site();
  const a = site.start('a');
  await site.rounds(1);
  expect([...a.filled()].sort()).toEqual([
    'cluster',
    'group-0',
    'group-1',
    'group-2',
    'group-3',
    'group-4',
  ]);
});

test('a second worker is given its share, and no group is held twice', async () => {
  const site = new Site();
  site.start('a');
  await site.rounds(1);
  site.start('b');
  await site.rounds(3);
  expect(site.groupsOf('a')).toHaveLength(3);
  expect(site.groupsOf('b')).toHaveLength(2);
  expect(new Set([...site.groupsOf('a'), ...site.groupsOf('b')]).size).toBe(GROUPS);
});

test('what a dead worker held is taken over', async () => {
  const site = new Site();
  site.start('a');
  site.start('b');
  await site.rounds(3);
  site.kill('a');
  await site.rounds(2);
  expect(site.groupsOf('b')).toHaveLength(GROUPS);
  expect(site.open.get('b')).toContain('cluster');
});

test('while Redis is away posts are given up, and filled again when it is back', async () => {
  const site = new Site();
  const hosting = site.start('a');
  await site.rounds(1);
  site.isRedisAway = true;
  site.loseAllLeases();
  await site.rounds(2);
  expect(hosting.filled()).toEqual([]);
  expect(hosting.isRedisAway).toBe(true);
  site.isRedisAway = false;
  await site.rounds(2);
  expect(site.groupsOf('a')).toHaveLength(GROUPS);
  expect(hosting.isRedisAway).toBe(false);
});

test('a worker that closes gives all leases back, and takes none any more', async () => {
  const site = new Site();
  const a = site.start('a');
  await site.rounds(1);
  await a.close();
  expect(site.leases.size).toBe(0);
  expect(site.open.get('a')?.size).toBe(0);
  await site.rounds(2);
  expect(site.leases.size).toBe(0);
});

test('a post that cannot be filled is free for others, and tried again', async () => {
  const site = new Site();
  let attempts = 0;
  const hosting = new Hosting({
    coordinator: {
      beat: async () => ({ count: 1, rank: 0 }),
      acquireLease: async (name) => ({
        name,
        lost: new AbortController().signal,
        release: async () => undefined,
      }),
    },
    groups: [],
    cluster: {
      name: 'cluster',
      open: async () => {
        attempts++;
        throw new Error('a damaged journal');
      },
    },
    clock: site.clock,
    random: () => 0,
    logger,
  });
  hosting.start();
  await site.rounds(2);
  expect(attempts).toBe(3);
  expect(hosting.filled()).toEqual([]);
  await hosting.close();
});
