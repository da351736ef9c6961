/**
 * The three ways to Kafka that must be the same to a client: its brokers directly, a classic topic
 * through Outrigger, and a diskless topic through Outrigger.
 */
import { pino } from 'pino';
import { expect, inject, vi } from 'vitest';
import { runDir } from '../../../docker/local/cache.ts';
import { type Outrigger, startOutrigger } from '../../../docker/local/outrigger.ts';
import { apis, BrokerConnection, ClusterClient, type Endpoint } from '../../../kafka/index.ts';
import { brokerIdOf } from '../../../proxy/nodes/node-id.ts';
import { uniqueName } from '../support/names.ts';

/** As ListOffsets names the end of a log. */
const LATEST = -1n;
const CLIENT = { clientId: 'ways' };
const LEADERS_TIMEOUT = { timeout: 60_000, interval: 20 };
/** Topics named so are diskless from their creation, whatever creates them. */
const DISKLESS_PREFIX = 'diskless-';

export interface Way {
  readonly name: 'direct' | 'classic' | 'diskless';
  /** HOST:PORT for clients. */
  readonly bootstrap: string;
  readonly isDiskless: boolean;
}

export interface Ways {
  readonly all: readonly Way[];
  stop(): Promise<void>;
}

/**
 * Starts a member in front of the shared broker.
 * @param redisDb of the shared Redis, a different one for each test file
 */
export async function openWays(redisDb: number): Promise<Ways> {
  const { bootstrap } = inject('kafka');
  const outrigger: Outrigger = await startOutrigger({
    kafkaBootstrap: bootstrap,
    storeUrl: `file://${await runDir('store')}`,
    redisUrl: `${inject('redis').url}/${redisDb}`,
    configs: { 'diskless.topics': `${DISKLESS_PREFIX}*` },
  });
  return {
    all: [
      { name: 'direct', bootstrap, isDiskless: false },
      { name: 'classic', bootstrap: outrigger.bootstrap, isDiskless: false },
      { name: 'diskless', bootstrap: outrigger.bootstrap, isDiskless: true },
    ],
    stop: async () => outrigger.stop(),
  };
}

/**
 * @param what for the reader of a log; begins with a letter
 * @returns a new name for a topic that is of the way's kind
 */
export function topicName(way: Way, what: string): string {
  const name = uniqueName(`${way.name}-${what}`);
  return way.isDiskless === name.startsWith(DISKLESS_PREFIX) ? name : `${DISKLESS_PREFIX}${name}`;
}

export interface TopicOptions {
  readonly partitions?: number;
  readonly replicas?: number;
  /** Besides what makes it diskless. */
  readonly configs?: Readonly<Record<string, string>>;
}

/** @returns the name of a topic that was made for the way, through it */
export async function createTopic(
  way: Way,
  what: string,
  { partitions = 1, replicas = 1, configs = {} }: TopicOptions = {},
): Promise<string> {
  const name = topicName(way, what);
  const entries = { ...configs, ...(way.isDiskless ? { 'diskless.enable': 'true' } : {}) };
  const connection = await connect(way);
  try {
    const { topics } = await connection.request(apis.CreateTopics, {
      timeoutMs: 10_000,
      topics: [
        {
          name,
          numPartitions: partitions,
          replicationFactor: replicas,
          assignments: [],
          configs: Object.entries(entries).map(([key, value]) => ({ name: key, value })),
        },
      ],
    });
    expect(topics[0]).toMatchObject({ name, errorCode: 0 });
  } finally {
    await connection.close();
  }
  await untilLed(way, name, partitions);
  return name;
}

/** Waits for the leaders of a new topic: clients see it before all of them know themselves. */
export async function untilLed(way: Way, name: string, partitionCount: number): Promise<void> {
  const client = new ClusterClient({
    bootstrap: [endpointOf(way.bootstrap)],
    connection: CLIENT,
    logger: pino({ level: 'silent' }),
    now: () => performance.now(),
    random: () => 0,
  });
  const countLed = async (): Promise<number> => {
    const node = await client.toAny();
    const { topics } = await node.request(apis.Metadata, { topics: [{ name }] });
    let led = 0;
    for (const { leaderId, partitionIndex } of topics[0]?.partitions ?? []) {
      const leader = await client.toBroker(leaderId);
      const listed = await leader.request(apis.ListOffsets, {
        replicaId: -1,
        topics: [{ name, partitions: [{ partitionIndex, timestamp: LATEST }] }],
      });
      if (listed.topics[0]?.partitions[0]?.errorCode === 0) led += 1;
    }
    return led;
  };
  await vi.waitFor(async () => expect(await countLed()).toBe(partitionCount), LEADERS_TIMEOUT);
  await client.close();
}

/** @returns a connection to the node that clients begin with */
export async function connect(way: Way): Promise<BrokerConnection> {
  return BrokerConnection.open(endpointOf(way.bootstrap), CLIENT);
}

export function endpointOf(address: string): Endpoint {
  const [host = '', port = ''] = address.split(':');
  return { host, port: Number(port) };
}

/**
 * Plays a session on all ways at the same time.
 * @param session its outcome holds nothing that must differ from way to way
 */
export async function expectSameOutcome(
  ways: Ways,
  session: (way: Way) => Promise<unknown>,
): Promise<void> {
  expectSame(ways, await Promise.all(ways.all.map(session)));
}

/** @param outcomes one for each way, in order */
export function expectSame({ all }: Ways, outcomes: readonly unknown[]): void {
  const [direct, ...proxied] = outcomes;
  expect(outcomes).toHaveLength(all.length);
  for (const [index, outcome] of proxied.entries()) {
    expect(outcome, `on a ${all[index + 1]?.name} topic`).toEqual(direct);
  }
}

/** A broker's id, which diskless nodes have within theirs. */
export function realNodeId(nodeId: number): number {
  return brokerIdOf(nodeId);
}
