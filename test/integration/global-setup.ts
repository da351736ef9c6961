/**
 * Starts the servers that all integration tests share: one Kafka broker, one Redis, one S3 server.
 * Each test file keeps to topics, keys and prefixes of its own. A test that stops or breaks a
 * server starts one for itself with the library in docker/local.
 */
import type { TestProject } from 'vitest/node';
import { startKafka } from '../../docker/local/kafka.ts';
import { startRedis } from '../../docker/local/redis.ts';
import { startS3 } from '../../docker/local/s3.ts';

declare module 'vitest' {
  interface ProvidedContext {
    readonly kafka: {
      /** HOST:PORT of the broker's plaintext listener. */
      readonly bootstrap: string;
      /** The release, for `kafkaLibs`. */
      readonly version: string;
      /** The folder with the broker's jars. */
      readonly libsDir: string;
      /** The folder of the partitions' logs. */
      readonly logDir: string;
      /** What the broker itself logs. */
      readonly serverLog: string;
    };
    readonly redis: { readonly url: string };
    readonly s3: {
      readonly endpoint: string;
      readonly accessKeyId: string;
      readonly secretAccessKey: string;
      readonly bucket: string;
    };
  }
}

/** @returns what stops the servers again */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const stops: (() => Promise<void>)[] = [];
  const stopAll = async (): Promise<void> => {
    await Promise.all(stops.map(async (stop) => stop()));
  };
  try {
    const kafka = await startKafka();
    stops.push(async () => kafka.stop());
    const redis = await startRedis();
    stops.push(async () => redis.stop());
    const s3 = await startS3();
    stops.push(async () => s3.stop());
    const [broker] = kafka.brokers;
    if (broker === undefined) throw new Error('a cluster has a broker');
    project.provide('kafka', {
      bootstrap: kafka.bootstrap,
      version: kafka.libs.version,
      libsDir: kafka.libs.dir,
      logDir: broker.logDir,
      serverLog: broker.serverLog,
    });
    project.provide('redis', { url: redis.url });
    const { endpoint, accessKeyId, secretAccessKey, bucket } = s3;
    project.provide('s3', { endpoint, accessKeyId, secretAccessKey, bucket });
  } catch (error) {
    await stopAll();
    throw error;
  }
  return stopAll;
}
