/**
 * What runs in containers of one Docker network: Kafka, Redis, an S3 server, and Outrigger's image
 * as two members and a worker. Each member is a zone of its own, because clients in the network and
 * clients beside it know it by different addresses.
 */
import { CreateBucketCommand, paginateListObjectsV2, S3Client } from '@aws-sdk/client-s3';
import {
  GenericContainer,
  getContainerRuntimeClient,
  Network,
  type StartedTestContainer,
  Wait,
} from 'testcontainers';
import { environmentOf } from '../../../docker/local/outrigger.ts';
import { freePortRange } from '../../../docker/local/ports.ts';
import { JsClient } from './js-client.ts';
import { KafkaTools } from './kafka-tools.ts';
import { Server } from './server.ts';

const REDIS_IMAGE = 'redis:7';
const STORE_IMAGE = 'versity/versitygw:v1.8.0';
const KAFKA = 'kafka:9092';
const STORE_PORT = 7_070;
const LISTENER_PORT = 19_092;
/** Two for the one broker. */
const NODE_PORTS = 2;
const BUCKET = 'outrigger';
const PREFIX = 'compat';
const CREDENTIALS = { accessKeyId: 'outrigger', secretAccessKey: 'outrigger-secret' };
const START_MS = 180_000;
/** What Outrigger logs once it does its work. */
const READY = '"msg":"ready"';

/** A lone node that is small and starts quickly, with Kafka's defaults in everything else. */
const KAFKA_ENVIRONMENT = {
  KAFKA_NODE_ID: '1',
  KAFKA_PROCESS_ROLES: 'broker,controller',
  KAFKA_CONTROLLER_QUORUM_VOTERS: '1@localhost:9093',
  KAFKA_CONTROLLER_LISTENER_NAMES: 'CONTROLLER',
  KAFKA_LISTENERS: 'PLAINTEXT://:9092,CONTROLLER://:9093',
  KAFKA_ADVERTISED_LISTENERS: `PLAINTEXT://${KAFKA}`,
  KAFKA_LISTENER_SECURITY_PROTOCOL_MAP: 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
  KAFKA_INTER_BROKER_LISTENER_NAME: 'PLAINTEXT',
  KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR: '1',
  KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR: '1',
  KAFKA_TRANSACTION_STATE_LOG_MIN_ISR: '1',
  KAFKA_SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR: '1',
  KAFKA_SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR: '1',
  KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS: '0',
  KAFKA_HEAP_OPTS: '-Xms256m -Xmx256m',
};

/** Everything that is produced goes to the store. */
const MEMBER_CONFIGS = { 'wal.min.bytes': 0, 'wal.linger.ms': 50 };
/** What takes hours in earnest happens at once. */
const WORKER_CONFIGS = {
  'worker.groups': 2,
  'merge.interval.ms': 500,
  'consolidate.interval.ms': 1_000,
  'trim.interval.ms': 1_000,
  'trim.keep.ms': 0,
  'sweep.interval.ms': 1_000,
  'sweep.margin.ms': 0,
};

export interface Site {
  /** Kafka's tools, which ask the broker itself. */
  readonly direct: KafkaTools;
  /** Kafka's tools, which ask the member in the network. */
  readonly java: KafkaTools;
  /** A client of the member that is published. */
  readonly js: JsClient;
  readonly inside: Server;
  readonly outside: Server;
  readonly worker: Server;
  /** @returns the keys of the objects in a folder of the store */
  objectKeys(folder: string): Promise<string[]>;
  /** Removes everything. */
  stop(): Promise<void>;
}

/** Starts the containers, one after the other, and waits until each serves requests. */
export async function startSite(kafkaVersion: string, image: string): Promise<Site> {
  const stops: (() => Promise<unknown>)[] = [];
  const stop = async (): Promise<void> => {
    for (const each of stops.splice(0).toReversed()) await each();
  };
  try {
    const network = await new Network().start();
    stops.push(async () => network.stop());
    const start = async (container: GenericContainer): Promise<StartedTestContainer> => {
      const started = await container.withNetwork(network).withStartupTimeout(START_MS).start();
      stops.push(async () => started.stop());
      return started;
    };
    const kafka = await start(kafkaOf(kafkaVersion));
    await start(redis());
    const store = await start(objectStore());
    const s3 = clientOf(store);
    stops.push(async () => s3.destroy());
    await s3.send(new CreateBucketCommand({ Bucket: BUCKET }));
    const inside = await start(insideMember(image));
    const [first, last] = await freePortRange(1 + NODE_PORTS);
    const outside = await start(outsideMember(image, await dockerHost(), [first, last]));
    return {
      direct: new KafkaTools(kafka, KAFKA),
      java: new KafkaTools(kafka, `inside:${LISTENER_PORT}`),
      js: new JsClient(`${outside.getHost()}:${first}`),
      inside: new Server(inside),
      outside: new Server(outside),
      worker: new Server(await start(worker(image))),
      objectKeys: async (folder) => keysBelow(s3, `${PREFIX}/${folder}/`),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

function kafkaOf(version: string): GenericContainer {
  return new GenericContainer(`apache/kafka:${version}`)
    .withNetworkAliases('kafka')
    .withEnvironment(KAFKA_ENVIRONMENT)
    .withWaitStrategy(Wait.forLogMessage('Kafka Server started'));
}

function redis(): GenericContainer {
  return new GenericContainer(REDIS_IMAGE)
    .withNetworkAliases('redis')
    .withCommand(['redis-server', '--maxmemory-policy', 'noeviction'])
    .withWaitStrategy(Wait.forLogMessage('Ready to accept connections'));
}

function objectStore(): GenericContainer {
  return (
    new GenericContainer(STORE_IMAGE)
      .withNetworkAliases('store')
      .withEnvironment({
        ROOT_ACCESS_KEY_ID: CREDENTIALS.accessKeyId,
        ROOT_SECRET_ACCESS_KEY: CREDENTIALS.secretAccessKey,
      })
      // A folder that every image has: buckets are folders in it.
      .withCommand(['--port', `:${STORE_PORT}`, 'posix', '/tmp'])
      .withExposedPorts(STORE_PORT)
      .withWaitStrategy(Wait.forHttp('/', STORE_PORT).forStatusCodeMatching(() => true))
  );
}

/** The member for clients in the network. */
function insideMember(image: string): GenericContainer {
  return outrigger(image, 'start', {
    ...MEMBER_CONFIGS,
    'member.id': 0,
    'member.rack': 'inside',
    'advertised.host': 'inside',
  }).withNetworkAliases('inside');
}

/**
 * The member for clients beside the network.
 * @param host where Docker publishes ports
 * @param ports the first is that of the listener; published under their own numbers, because nodes
 *   are advertised by them, and a container that starts again is to have the same
 */
function outsideMember(
  image: string,
  host: string,
  [first, last]: readonly [number, number],
): GenericContainer {
  const ports = Array.from({ length: last - first + 1 }, (_, index) => first + index);
  return outrigger(image, 'start', {
    ...MEMBER_CONFIGS,
    'member.id': 1,
    'member.rack': 'outside',
    'advertised.host': host,
    'listener.port': first,
    'node.ports': `${first + 1}-${last}`,
  }).withExposedPorts(...ports.map((port) => ({ container: port, host: port })));
}

function worker(image: string): GenericContainer {
  return outrigger(image, 'worker', WORKER_CONFIGS);
}

function outrigger(
  image: string,
  command: string,
  configs: Readonly<Record<string, string | number>>,
): GenericContainer {
  const all = {
    'kafka.bootstrap.servers': KAFKA,
    'redis.url': 'redis://redis:6379',
    'store.url': `s3://${BUCKET}/${PREFIX}`,
    'store.s3.endpoint': `http://store:${STORE_PORT}`,
    'store.s3.path.style': true,
    'store.s3.access.key.id': CREDENTIALS.accessKeyId,
    'store.s3.secret.access.key': CREDENTIALS.secretAccessKey,
    ...configs,
  };
  return new GenericContainer(image)
    .withCommand([command])
    .withEnvironment(environmentOf(all))
    .withWaitStrategy(Wait.forLogMessage(READY));
}

/** @returns the host that Docker publishes ports on */
async function dockerHost(): Promise<string> {
  return (await getContainerRuntimeClient()).info.containerRuntime.host;
}

function clientOf(store: StartedTestContainer): S3Client {
  return new S3Client({
    endpoint: `http://${store.getHost()}:${store.getMappedPort(STORE_PORT)}`,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: CREDENTIALS,
  });
}

async function keysBelow(client: S3Client, prefix: string): Promise<string[]> {
  const keys: string[] = [];
  const pages = paginateListObjectsV2({ client }, { Bucket: BUCKET, Prefix: prefix });
  for await (const { Contents = [] } of pages) {
    keys.push(...Contents.map(({ Key = '' }) => Key));
  }
  return keys;
}
