/**
 * The client against real brokers: plain, with TLS, and with every SASL mechanism that it has.
 */

import { readFile } from 'node:fs/promises';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { localCertificate } from '../../docker/local/certificate.ts';
import { startKafka } from '../../docker/local/kafka.ts';
import type { Kafka } from '../../docker/local/kafka.ts';
import { BrokerConnection } from '../../kafka/client/broker-connection.ts';
import { ClusterClient } from '../../kafka/client/cluster-client.ts';
import type { Endpoint } from '../../kafka/client/open-socket.ts';
import { KafkaErrorCode } from '../../kafka/error-codes.ts';
import { apis } from '../../kafka/messages/index.ts';
import { uniqueName } from './support/names.ts';
import { oneRecordBatch } from './support/one-record-batch.ts';

function endpointOf(bootstrap: string): Endpoint {
  const [host = '', port = ''] = bootstrap.split(':');
  return { host, port: Number(port) };
}

describe('a plain broker', () => {
  let client: ClusterClient;

  beforeAll(() => {
    client = new ClusterClient({
      bootstrap: [endpointOf(inject('kafka').bootstrap)],
      connection: { clientId: 'client-test' },
      logger: pino({ level: 'silent' }),
      now: () => performance.now(),
      random: () => 0,
    });
  });

  afterAll(() => client.close());

  test('takes what we produce and gives it back, created and deleted by us', async () => {
    const name = uniqueName('client');
    const controller = await client.toController();
    const created = await controller.request(apis.CreateTopics, {
      topics: [{ name, numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }],
    });
    expect(created.topics[0]).toMatchObject({ name, errorCode: KafkaErrorCode.NONE });
    const topicId = created.topics[0]?.topicId ?? '';

    const broker = await client.toBroker(1);
    await expect
      .poll(async () => {
        const metadata = await broker.request(apis.Metadata, { topics: [{ topicId }] });
        return metadata.topics[0]?.errorCode;
      })
      .toBe(KafkaErrorCode.NONE);
    const partitionData = [{ index: 0, records: oneRecordBatch() }];
    const produced = await broker.request(apis.Produce, {
      acks: -1,
      timeoutMs: 10_000,
      topicData: [{ topicId, partitionData }],
    });
    expect(produced.responses[0]?.partitionResponses[0]).toMatchObject({
      errorCode: KafkaErrorCode.NONE,
      baseOffset: 0n,
    });
    const fetched = await broker.request(apis.Fetch, {
      maxWaitMs: 500,
      minBytes: 1,
      topics: [
        {
          topicId,
          partitions: [{ partition: 0, fetchOffset: 0n, partitionMaxBytes: 1 << 20 }],
        },
      ],
    });
    const partition = fetched.responses[0]?.partitions[0];
    expect(partition).toMatchObject({ errorCode: KafkaErrorCode.NONE, highWatermark: 1n });
    // The broker sets the leader epoch, bytes 12 to 15, which the checksum does not cover.
    expect(partition?.records?.subarray(16)).toEqual(oneRecordBatch().subarray(16));
    const deleted = await controller.request(apis.DeleteTopics, {
      topics: [{ topicId }],
      timeoutMs: 10_000,
    });
    expect(deleted.responses[0]?.errorCode).toBe(KafkaErrorCode.NONE);
  });

  test('answers requests of several versions in one pipeline', async () => {
    const broker = await client.toAny();
    const [min, max] = [0, 13];
    const versions = Array.from({ length: max - min + 1 }, (_, index) => min + index);
    const answers = await Promise.all(
      versions.map((version) => broker.request(apis.Metadata, { topics: [] }, { version })),
    );
    for (const { brokers } of answers) expect(brokers.map(({ nodeId }) => nodeId)).toEqual([1]);
  });
});

describe('a broker with TLS and SASL', () => {
  const users = { ada: 'lovelace' };
  const mechanisms = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'] as const;
  let kafka: Kafka;
  let ca: string;

  beforeAll(async () => {
    const certificate = await localCertificate();
    ca = await readFile(certificate.certFile, 'utf8');
    kafka = await startKafka({
      tls: certificate,
      sasl: { mechanisms, users },
      configs: { 'connections.max.reauth.ms': 3000 },
    });
  });

  afterAll(() => kafka.stop());

  test.each(mechanisms)('lets us in with %s', async (mechanism) => {
    const sasl = { mechanism, username: 'ada', password: users.ada };
    const options = { clientId: 'client-test', tls: { ca }, sasl };
    const connection = await BrokerConnection.open(endpointOf(kafka.bootstrap), options);
    const { clusterId } = await connection.request(apis.DescribeCluster, {
      includeClusterAuthorizedOperations: false,
    });
    expect(clusterId).toBe(kafka.clusterId);
    // Sessions last three seconds here: the connection is given up before the broker does it.
    await expect.poll(() => connection.isOpen, { timeout: 10_000 }).toBe(false);
    await connection.close();
  });

  test.each(mechanisms)('refuses a wrong password with %s', async (mechanism) => {
    const sasl = { mechanism, username: 'ada', password: 'wrong' };
    const options = { clientId: 'client-test', tls: { ca }, sasl };
    await expect(BrokerConnection.open(endpointOf(kafka.bootstrap), options)).rejects.toThrow(
      expect.objectContaining({ code: 'KAFKA_AUTHENTICATION_FAILED', retriable: false }),
    );
  });

  test('is refused itself when its certificate is not trusted', async () => {
    const options = { clientId: 'client-test', tls: {} };
    await expect(BrokerConnection.open(endpointOf(kafka.bootstrap), options)).rejects.toThrow(
      expect.objectContaining({ code: 'KAFKA_CONNECTION_LOST' }),
    );
  });
});
