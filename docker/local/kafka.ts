/**
 * Starts real Kafka clusters on 127.0.0.1: one node that is broker and controller, or several
 * brokers with a controller of their own, so that any broker may fail. Promises that a returned
 * cluster serves requests and that nothing of it outlives this process.
 */
import { rm } from 'node:fs/promises';
import { runDir } from './cache.ts';
import { KAFKA_VERSION, type KafkaLibs, kafkaLibs } from './kafka-jars.ts';
import { KafkaNode } from './kafka-node.ts';
import { type ClusterOptions, planCluster } from './kafka-plan.ts';

const HEAP_MIB = 256;

export interface KafkaOptions extends ClusterOptions {
  /** A release of Kafka, 3.7 or later. */
  readonly version?: string;
  /** Where the logs are kept, reused when it holds a cluster already; else a folder of this run. */
  readonly dataDir?: string;
  /** Heap of each process. */
  readonly heapMiB?: number;
}

/** One broker; see `KafkaNode` for what the parts say. */
export type KafkaBroker = Omit<KafkaNode, 'format' | 'isBroker'>;

export interface Kafka {
  /** HOST:PORT[,HOST:PORT] of the client listeners. */
  readonly bootstrap: string;
  /** The same for the plaintext listeners, which ask for no credentials. */
  readonly internalBootstrap: string;
  readonly clusterId: string;
  /** By id, from 1. */
  readonly brokers: readonly KafkaBroker[];
  readonly libs: KafkaLibs;
  /** Stops everything, and removes the data unless `dataDir` was given. */
  stop(): Promise<void>;
}

/** Starts a cluster and waits until every broker serves requests. */
export async function startKafka(options: KafkaOptions = {}): Promise<Kafka> {
  const libs = await kafkaLibs(options.version ?? KAFKA_VERSION);
  const dataDir = options.dataDir ?? (await runDir('kafka'));
  const plan = await planCluster(options, dataDir);
  const nodes = plan.nodes.map((node) => new KafkaNode(libs, node, options.heapMiB ?? HEAP_MIB));
  const brokers = nodes.filter((node) => node.isBroker);
  const controllers = nodes.filter((node) => !node.isBroker);
  const stop = async (): Promise<void> => {
    // Brokers first: a controlled shutdown needs the controller.
    await Promise.all(brokers.map(async (node) => node.stop()));
    await Promise.all(controllers.map(async (node) => node.stop()));
    if (options.dataDir === undefined) await rm(dataDir, { recursive: true, force: true });
  };
  try {
    for (const node of nodes) await node.format(plan.clusterId, plan.formatArgs);
    await Promise.all([...controllers, ...brokers].map(async (node) => node.start()));
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    bootstrap: brokers.map((broker) => `${broker.host}:${broker.port}`).join(','),
    internalBootstrap: brokers.map((broker) => `${broker.host}:${broker.internalPort}`).join(','),
    clusterId: plan.clusterId,
    brokers,
    libs,
    stop,
  };
}
