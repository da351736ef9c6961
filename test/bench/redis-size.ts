/**
 * What Redis' copies of the partition groups cost at 100,000 partitions: memory, and how long the
 * scripts hold up Redis' other users, by Redis' own count. No Kafka and no bucket: the states are
 * made up, and go through the coordinator as a worker's do.
 */
import { randomBytes } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { pino } from 'pino';
import { type CoordinatorKeys, coordinatorKeys } from '../../coordinator/keys.ts';
import { RedisWorkerCoordinator, type SettledRangeClaims } from '../../coordinator/index.ts';
import { RedisSession } from '../../coordinator/redis/session.ts';
import { startRedis } from '../../docker/local/redis.ts';
import { partitionKey } from '../../storage/index.ts';
import type { Extent, GroupState, PartitionState } from '../../storage/index.ts';

const PARTITIONS = 100_000;
const PARTITIONS_PER_TOPIC = 100;
const GROUPS = 4;
const EXTENTS = 10;
/** Partitions with new data in a commit, and how many commits each group has. */
const COMMIT_PARTITIONS = 5_000;
const COMMITS = 20;
const TIMEOUT_MS = 10_000;

/** How long a script held Redis up: microseconds. */
export interface ScriptTimes {
  readonly calls: number;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
}

export interface RedisSizeFigures {
  readonly emptyBytes: number;
  /** With cursors, and no extents. */
  readonly cursorsBytes: number;
  /** With ten extents, and with twenty. */
  readonly extentsBytes: number;
  readonly moreExtentsBytes: number;
  /** The most while copies are loaded in place of others. */
  readonly peakBytes: number;
  readonly loadMs: number;
  readonly load: ScriptTimes;
  /** Of one, on average. */
  readonly commitMs: number;
  readonly commit: ScriptTimes;
  readonly readMs: number;
}

export async function measureRedisSize(): Promise<RedisSizeFigures> {
  const redis = await startRedis();
  const endpoint = { kind: 'single', url: redis.url } as const;
  const session = await RedisSession.open(endpoint, TIMEOUT_MS);
  const namespace = 'bench';
  const clusterId = 'bench';
  const coordinator = await RedisWorkerCoordinator.start({
    endpoint,
    namespace,
    clusterId,
    settledRangeClaims: NO_CLAIMS,
    logger: pino({ level: 'warn' }),
    tuning: { commandTimeoutMs: TIMEOUT_MS },
  });
  try {
    return await measure(coordinator, session, coordinatorKeys(namespace, clusterId));
  } finally {
    await coordinator.close();
    session.close();
    await redis.stop();
  }
}

/** The section of the page. */
export function redisSizeSection(figures: RedisSizeFigures): string {
  const { emptyBytes, cursorsBytes, extentsBytes, moreExtentsBytes, peakBytes } = figures;
  const marginal = (moreExtentsBytes - extentsBytes) / (PARTITIONS * EXTENTS);
  return [
    `${PARTITIONS} partitions in ${GROUPS} groups, ${EXTENTS} extents each; a commit has new data of ${COMMIT_PARTITIONS} partitions.`,
    '',
    '| what | figure |',
    '|---|---|',
    `| Redis' memory with cursors alone | ${mib(cursorsBytes - emptyBytes)} |`,
    `| with ${EXTENTS} extents each | ${mib(extentsBytes - emptyBytes)} |`,
    `| the most while they are loaded anew | ${mib(peakBytes)} |`,
    `| an extent more | ${marginal.toFixed(1)} bytes |`,
    `| loading all groups | ${seconds(figures.loadMs)}, script p50 / p99 / p99.9 ${times(figures.load)} |`,
    `| a commit, of ${GROUPS * COMMITS} | ${seconds(figures.commitMs)}, script p50 / p99 / p99.9 ${times(figures.commit)} |`,
    `| reading every partition back | ${seconds(figures.readMs)} |`,
  ].join('\n');
}

async function measure(
  coordinator: RedisWorkerCoordinator,
  session: RedisSession,
  keys: CoordinatorKeys,
): Promise<RedisSizeFigures> {
  const emptyBytes = await memory(session);
  await loadAll(coordinator, 1, 0);
  const cursorsBytes = await settledMemory(session, keys);
  const extents = await loadAll(coordinator, 2, EXTENTS, session);
  const extentsBytes = await settledMemory(session, keys);
  const commits = await commitAll(coordinator, extents.states, session);
  const readMs = await readAll(coordinator);
  const numberNow = 2 + COMMITS;
  const { peakBytes } = await loadAll(coordinator, numberNow + 1, 2 * EXTENTS, session);
  const moreExtentsBytes = await settledMemory(session, keys);
  return {
    emptyBytes,
    cursorsBytes,
    extentsBytes,
    moreExtentsBytes,
    peakBytes,
    loadMs: extents.ms,
    load: extents.times,
    commitMs: commits.ms,
    commit: commits.times,
    readMs,
  };
}

async function loadAll(
  coordinator: RedisWorkerCoordinator,
  number: number,
  extentCount: number,
  session?: RedisSession,
): Promise<{ states: GroupState[]; ms: number; times: ScriptTimes; peakBytes: number }> {
  await session?.call('CONFIG', ['RESETSTAT']);
  const states: GroupState[] = [];
  let [ms, peakBytes] = [0, 0];
  for (let group = 0; group < GROUPS; group++) {
    const state = stateOf(group, number, extentCount);
    const startedMs = performance.now();
    await coordinator.loadGroup(group, state);
    ms += performance.now() - startedMs;
    states.push(state);
    if (session !== undefined) peakBytes = await peakMemory(session);
  }
  const times = session === undefined ? NO_TIMES : await scriptTimes(session);
  return { states, ms, times, peakBytes };
}

async function commitAll(
  coordinator: RedisWorkerCoordinator,
  states: readonly GroupState[],
  session: RedisSession,
): Promise<{ ms: number; times: ScriptTimes }> {
  await session.call('CONFIG', ['RESETSTAT']);
  let ms = 0;
  for (const [group, first] of states.entries()) {
    let from = first;
    for (let commit = 0; commit < COMMITS; commit++) {
      const to = withNewData(from);
      const startedMs = performance.now();
      const outcome = await coordinator.applyStates(group, from, to);
      ms += performance.now() - startedMs;
      if (outcome !== 'applied') throw new Error(`a commit was ${outcome}`);
      from = to;
    }
  }
  return { ms: ms / (GROUPS * COMMITS), times: await scriptTimes(session) };
}

async function readAll(coordinator: RedisWorkerCoordinator): Promise<number> {
  const startedMs = performance.now();
  let count = 0;
  for (let group = 0; group < GROUPS; group++) {
    for await (const { extents } of coordinator.partitionViews(group)) count += extents.length;
  }
  if (count < PARTITIONS * EXTENTS) throw new Error(`only ${count} extents came back`);
  return performance.now() - startedMs;
}

function stateOf(group: number, number: number, extentCount: number): GroupState {
  const partitions = new Map<string, PartitionState>();
  const topicsPerGroup = PARTITIONS / GROUPS / PARTITIONS_PER_TOPIC;
  for (let topic = 0; topic < topicsPerGroup; topic++) {
    const topicId = topicIdOf(group, topic);
    for (let partition = 0; partition < PARTITIONS_PER_TOPIC; partition++) {
      const state = partitionOf(
        topicId,
        `orders.eu-west-1.${group}.${topic}`,
        partition,
        extentCount,
      );
      partitions.set(partitionKey(state), state);
    }
  }
  return { number, partitions, files: new Map(), deadSegments: new Map() };
}

function partitionOf(
  topicId: string,
  topic: string,
  partition: number,
  extentCount: number,
): PartitionState {
  const extents: Extent[] = [];
  let end = 1_000_000_000n;
  for (let file = 1; file <= extentCount; file++) {
    extents.push(extentAfter(end, 250_000 + 40 * file));
    end = extents.at(-1)?.endOffset ?? end;
  }
  return {
    topicId,
    topic,
    partition,
    cursor: end,
    asOf: 2 ** 36 + 12_345,
    leaderEpoch: 17,
    logicalStart: 900_000_000n,
    trimIntent: null,
    consolidatedTo: 1_000_000_000n,
    extents,
    segments: [],
    quarantined: [],
  };
}

/** Of a merge of 30 s, or of several merged again. */
function extentAfter(startOffset: bigint, file: number): Extent {
  const records = 100 + Math.floor(Math.random() * 100_000);
  const endOffset = startOffset + BigInt(records);
  return {
    file,
    startOffset,
    endOffset,
    position: Math.floor(Math.random() * 2 ** 30),
    bytes: records * (80 + Math.floor(Math.random() * 900)),
    indexBytes: 37 * (1 + Math.floor(Math.random() * 500)),
    indexCrc: randomBytes(4).readUInt32BE(),
    leaderEpoch: 17,
    maxTimestampMs: 1_760_000_000_000n + BigInt(file) * 30_000n + BigInt(records % 1_000),
  };
}

/** A merge: an extent more in some partitions, and their oldest gone, so that sizes stay. */
function withNewData(state: GroupState): GroupState {
  const number = state.number + 1;
  const partitions = new Map(state.partitions);
  const keys = [...partitions.keys()];
  const first = Math.floor(Math.random() * (keys.length - COMMIT_PARTITIONS));
  for (const key of keys.slice(first, first + COMMIT_PARTITIONS)) {
    const known = partitions.get(key);
    if (known === undefined) continue;
    const extent = extentAfter(known.cursor, 260_000 + number);
    const extents = [...known.extents.slice(1), extent];
    const consolidatedTo = extents[0]?.startOffset ?? known.consolidatedTo;
    partitions.set(key, { ...known, cursor: extent.endOffset, consolidatedTo, extents });
  }
  return { ...state, number, partitions };
}

function topicIdOf(group: number, topic: number): string {
  const bytes = Buffer.alloc(16, 0xa5);
  bytes.writeUInt32BE(group * 1_000_000 + topic);
  return bytes.toString('base64url');
}

async function scriptTimes(session: RedisSession): Promise<ScriptTimes> {
  const [stats, commands] = [
    await info(session, 'latencystats'),
    await info(session, 'commandstats'),
  ];
  const percentiles = /evalsha:p50=([\d.]+),p99=([\d.]+),p99\.9=([\d.]+)/.exec(stats);
  const calls = /cmdstat_evalsha:calls=(\d+)/.exec(commands);
  if (percentiles === null || calls === null) throw new Error('Redis counted no scripts');
  const [p50 = 0, p99 = 0, p999 = 0] = percentiles.slice(1).map(Number);
  return { calls: Number(calls[1]), p50, p99, p999 };
}

/** What was replaced is freed in the background. */
async function settledMemory(session: RedisSession, keys: CoordinatorKeys): Promise<number> {
  for (;;) {
    const pending = /lazyfree_pending_objects:(\d+)/.exec(await info(session, 'memory'))?.[1];
    if (pending === '0') break;
  }
  await session.call('DEL', [keys.changes, keys.changesCount]);
  return await memory(session);
}

async function memory(session: RedisSession): Promise<number> {
  return Number(/used_memory:(\d+)/.exec(await info(session, 'memory'))?.[1]);
}

async function peakMemory(session: RedisSession): Promise<number> {
  return Number(/used_memory_peak:(\d+)/.exec(await info(session, 'memory'))?.[1]);
}

async function info(session: RedisSession, section: string): Promise<string> {
  return String(await session.call('INFO', [section]));
}

function mib(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(2)} s`;
}

function times({ calls, p50, p99, p999 }: ScriptTimes): string {
  return `${p50} / ${p99} / ${p999} µs (${calls} calls)`;
}

const NO_TIMES: ScriptTimes = { calls: 0, p50: 0, p99: 0, p999: 0 };

/** Nothing is settled here. */
const NO_CLAIMS: SettledRangeClaims = {
  claim: async () => {
    throw new Error('no range is needed');
  },
};
