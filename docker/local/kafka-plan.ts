/**
 * What a local Kafka cluster consists of: its nodes, their ports, folders and settings. Pure but
 * for choosing free ports and reading the id of a cluster that is there already.
 */
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Certificate } from './certificate.ts';
import { freePorts } from './ports.ts';

export const HOST = '127.0.0.1';
/** The controller's node id where it is a node of its own. */
const CONTROLLER_ID = 1000;

export type SaslMechanism = 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512';

export interface SaslOptions {
  readonly mechanisms: readonly SaslMechanism[];
  /** Passwords by user name. */
  readonly users: Readonly<Record<string, string>>;
}

export type Settings = Readonly<Record<string, string | number | boolean>>;

export interface ClusterOptions {
  /** How many; 1 if not given. */
  readonly brokers?: number;
  /** Of the client listeners, in the order of the brokers; free ones if not given. */
  readonly ports?: readonly number[];
  /** Settings of all nodes beyond, or instead of, those made here. */
  readonly configs?: Settings;
  /** Settings of single brokers, by id. */
  readonly brokerConfigs?: Readonly<Record<number, Settings>>;
  /** Feature levels at format time, as in `{ 'transaction.version': 1 }` (4.0 and later). */
  readonly features?: Readonly<Record<string, number>>;
  /** SASL on the client listener. */
  readonly sasl?: SaslOptions;
  /** TLS on the client listener, with this certificate. */
  readonly tls?: Certificate;
}

export interface NodePlan {
  readonly id: number;
  readonly isBroker: boolean;
  /** Holds the settings, the broker's own log and the log folder. */
  readonly dir: string;
  readonly logDir: string;
  /** The client listener of a broker, the only listener of a controller. */
  readonly port: number;
  /** The plaintext listener of brokers and tools; `port` itself where clients need none other. */
  readonly internalPort: number;
  readonly properties: Settings;
}

export interface ClusterPlan {
  readonly clusterId: string;
  readonly nodes: readonly NodePlan[];
  /** Arguments of the format tool besides the cluster id and the settings. */
  readonly formatArgs: readonly string[];
}

/**
 * @param options as `startKafka` takes them
 * @param dataDir where the nodes' folders are, or will be
 */
export async function planCluster(options: ClusterOptions, dataDir: string): Promise<ClusterPlan> {
  const count = options.brokers ?? 1;
  const isCombined = count === 1;
  const clientPorts = options.ports ?? (await freePorts(count));
  const internalPorts = hasClientListener(options) ? await freePorts(count) : clientPorts;
  const [controllerPort = 0] = await freePorts(1);
  const voter = `${isCombined ? 1 : CONTROLLER_ID}@${HOST}:${controllerPort}`;
  const nodes: NodePlan[] = [];
  for (let i = 0; i < count; i++) {
    const id = i + 1;
    const port = clientPorts[i];
    const internalPort = internalPorts[i];
    if (port === undefined || internalPort === undefined) {
      throw new Error(`${count} brokers need ${count} ports, not ${clientPorts.length}`);
    }
    const dir = join(dataDir, `broker-${id}`);
    const logDir = join(dir, 'log');
    const properties = {
      'node.id': id,
      'process.roles': isCombined ? 'broker,controller' : 'broker',
      'controller.quorum.voters': voter,
      'log.dirs': logDir,
      ...listeners(port, internalPort, isCombined ? controllerPort : undefined, options),
      ...smallCluster(count),
      ...options.configs,
      ...options.brokerConfigs?.[id],
    };
    nodes.push({ id, isBroker: true, dir, logDir, port, internalPort, properties });
  }
  if (!isCombined) nodes.push(controllerNode(dataDir, controllerPort, voter, options.configs));
  return {
    clusterId: (await existingClusterId(join(dataDir, 'broker-1', 'log'))) ?? randomClusterId(),
    nodes,
    formatArgs: formatArgs(options),
  };
}

function controllerNode(
  dataDir: string,
  port: number,
  voter: string,
  configs: Settings | undefined,
): NodePlan {
  const dir = join(dataDir, 'controller');
  const logDir = join(dir, 'log');
  const properties = {
    'node.id': CONTROLLER_ID,
    'process.roles': 'controller',
    'controller.quorum.voters': voter,
    'controller.listener.names': 'CONTROLLER',
    listeners: `CONTROLLER://${HOST}:${port}`,
    'log.dirs': logDir,
    ...configs,
  };
  return { id: CONTROLLER_ID, isBroker: false, dir, logDir, port, internalPort: port, properties };
}

function listeners(
  port: number,
  internalPort: number,
  controllerPort: number | undefined,
  options: ClusterOptions,
): Settings {
  const internal = `INTERNAL://${HOST}:${internalPort}`;
  const advertised = hasClientListener(options) ? `CLIENT://${HOST}:${port},${internal}` : internal;
  const controller = controllerPort === undefined ? '' : `,CONTROLLER://${HOST}:${controllerPort}`;
  const sasl = options.sasl === undefined ? '' : 'SASL_';
  const transport = options.tls === undefined ? 'PLAINTEXT' : 'SSL';
  return {
    listeners: advertised + controller,
    'advertised.listeners': advertised,
    'inter.broker.listener.name': 'INTERNAL',
    'controller.listener.names': 'CONTROLLER',
    'listener.security.protocol.map': `INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT,CLIENT:${sasl}${transport}`,
    ...(options.sasl === undefined ? {} : saslSettings(options.sasl)),
    ...(options.tls === undefined
      ? {}
      : {
          'listener.name.client.ssl.keystore.type': 'PEM',
          'listener.name.client.ssl.keystore.location': options.tls.keyAndCertFile,
        }),
  };
}

/** Clients that need credentials or TLS get a listener beside the plaintext one. */
function hasClientListener(options: ClusterOptions): boolean {
  return options.sasl !== undefined || options.tls !== undefined;
}

function saslSettings(sasl: SaslOptions): Settings {
  const settings: Record<string, string> = {
    'listener.name.client.sasl.enabled.mechanisms': sasl.mechanisms.join(','),
  };
  const users = Object.entries(sasl.users).map(([name, word]) => `user_${name}="${word}"`);
  for (const mechanism of sasl.mechanisms) {
    settings[`listener.name.client.${mechanism.toLowerCase()}.sasl.jaas.config`] =
      mechanism === 'PLAIN'
        ? `org.apache.kafka.common.security.plain.PlainLoginModule required ${users.join(' ')};`
        : 'org.apache.kafka.common.security.scram.ScramLoginModule required;';
  }
  return settings;
}

/** Settings without which a cluster of so few brokers does not work, or starts slowly. */
function smallCluster(brokers: number): Settings {
  const replicas = Math.min(brokers, 3);
  const minIsr = Math.max(replicas - 1, 1);
  return {
    'default.replication.factor': replicas,
    'offsets.topic.replication.factor': replicas,
    'offsets.topic.num.partitions': 8,
    'transaction.state.log.replication.factor': replicas,
    'transaction.state.log.min.isr': minIsr,
    'transaction.state.log.num.partitions': 8,
    'share.coordinator.state.topic.replication.factor': replicas,
    'share.coordinator.state.topic.min.isr': minIsr,
    'share.coordinator.state.topic.num.partitions': 8,
    'group.initial.rebalance.delay.ms': 0,
    // The default, 128 MiB, is half of the heap given here.
    'log.cleaner.dedupe.buffer.size': 16 * 1024 * 1024,
  };
}

function formatArgs(options: ClusterOptions): string[] {
  const args: string[] = [];
  for (const [feature, level] of Object.entries(options.features ?? {})) {
    args.push('--feature', `${feature}=${level}`);
  }
  for (const mechanism of options.sasl?.mechanisms ?? []) {
    if (mechanism === 'PLAIN') continue;
    for (const [name, password] of Object.entries(options.sasl?.users ?? {})) {
      args.push('--add-scram', `${mechanism}=[name=${name},password=${password}]`);
    }
  }
  return args;
}

/** @returns the id of the cluster whose data a log folder holds, if any */
async function existingClusterId(logDir: string): Promise<string | undefined> {
  const meta = await readFile(join(logDir, 'meta.properties'), 'utf8').catch(() => '');
  return /^cluster\.id=(.+)$/m.exec(meta)?.[1];
}

/** A cluster id as Kafka makes them: 16 random bytes in URL-safe base64. */
function randomClusterId(): string {
  // The format tool would take a leading dash for an option.
  for (;;) {
    const id = randomBytes(16).toString('base64url');
    if (!id.startsWith('-')) return id;
  }
}
