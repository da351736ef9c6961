/**
 * Requests as no client sends them: of the right form with values from anywhere, about a topic that
 * is there, and with bytes changed at random. None of them is meant to change the cluster.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import * as fc from 'fast-check';
import {
  apis,
  buildRecordBatch,
  isFlexible,
  type Message,
  requestFrame,
} from '../../../kafka/index.ts';
import { sampleOf } from '../../unit/kafka/messages/message-samples.ts';
import { createTopic, endpointOf, withConnection } from './site.ts';

/** A request that waits for more than this, because it says so, is not waited for. */
const PATIENCE_MS = 3_000;

interface StrangeOptions {
  readonly seed: number;
  readonly count: number;
  /** A topic that requests are about. */
  readonly topic: string;
  readonly topicId: string;
  /** What is produced to it, unless changed. */
  readonly batch: Buffer;
}

/** What reads, and what only checks when it is told to. */
const ASKED: readonly Message[] = [
  apis.Produce.request,
  apis.Fetch.request,
  apis.ListOffsets.request,
  apis.Metadata.request,
  apis.FindCoordinator.request,
  apis.ListGroups.request,
  apis.ApiVersions.request,
  apis.CreateTopics.request,
  apis.DescribeConfigs.request,
  apis.AlterConfigs.request,
  apis.IncrementalAlterConfigs.request,
  apis.DescribeLogDirs.request,
  apis.DescribeCluster.request,
  apis.OffsetForLeaderEpoch.request,
  apis.ShareFetch.request,
  apis.ShareAcknowledge.request,
];

/** Fields that would make a request wait, or the cluster do something. */
const FIXED: Readonly<Record<string, unknown>> = {
  maxWaitMs: 1,
  timeoutMs: 1_000,
  validateOnly: true,
  allowAutoTopicCreation: false,
  numPartitions: 1,
  transactionalId: null,
};

/**
 * Sends requests about a new diskless topic, one after the other, on as many connections as it
 * takes.
 * @param bootstrap of a member
 */
export async function sendStrangeRequests(
  bootstrap: string,
  seed: number,
  count: number,
): Promise<void> {
  const topic = await createTopic(bootstrap, { partitions: 1 });
  const { topics } = await withConnection(bootstrap, async (connection) =>
    connection.request(apis.Metadata, { topics: [{ name: topic }] }),
  );
  const values = Array.from({ length: 50 }, (_, i) => ({
    value: Buffer.alloc(200, `value ${i} `),
  }));
  const batch = buildRecordBatch({ baseTimestamp: BigInt(Date.now()) }, values);
  const head = { apiVersion: 0, correlationId: 2, clientId: null };
  const probe = Buffer.concat(requestFrame(apis.ApiVersions.request, head, {}));
  let socket: Socket | undefined;
  const topicId = topics?.[0]?.topicId ?? '';
  for (const bytes of strangeRequests({ seed, count, topic, topicId, batch })) {
    if (socket === undefined || socket.destroyed) {
      socket = connect(endpointOf(bootstrap));
      // That the member resets a connection is one of the ways in which it may end it.
      socket.on('error', () => {});
      await once(socket, 'connect');
    }
    socket.write(Buffer.concat([bytes, probe]));
    if (!(await answersOrEnds(socket))) socket.destroy();
  }
  socket?.destroy();
}

/** @returns false if there was neither an answer nor an end: the request waits, as it says */
async function answersOrEnds(socket: Socket): Promise<boolean> {
  return new Promise((resolve) => {
    const end = (outcome: boolean): void => {
      clearTimeout(timer);
      socket.off('data', onEvent).off('close', onEvent);
      resolve(outcome);
    };
    const onEvent = (): void => end(true);
    const timer = setTimeout(() => end(false), PATIENCE_MS);
    socket.on('data', onEvent).on('close', onEvent);
    if (socket.destroyed) end(true);
  });
}

/** @returns frames with their lengths */
function* strangeRequests(options: StrangeOptions): Generator<Buffer> {
  const versioned = ASKED.flatMap((message) => {
    const [first, last] = message.versions;
    return Array.from({ length: last - first + 1 }, (_, i) => ({ message, version: first + i }));
  });
  const frame = fc.constantFrom(...versioned).chain(({ message, version }) =>
    fc.record({
      body: sampleOf(message, version, isFlexible(message.apiKey, version)),
      message: fc.constant(message),
      version: fc.constant(version),
      changes: fc.array(fc.record({ at: fc.nat(), byte: fc.nat(255) }), { maxLength: 2 }),
      aboutTopic: fc.boolean(),
    }),
  );
  const { seed, count } = options;
  for (const { message, version, body, changes, aboutTopic } of fc.sample(frame, {
    seed,
    numRuns: count,
  })) {
    const head = { apiVersion: version, correlationId: 1, clientId: 'stranger' };
    const chunks = requestFrame(message, head, harmless(body, aboutTopic ? options : undefined));
    const bytes = Buffer.concat(chunks);
    // Behind length, API and version, so that it still is a request of that kind.
    for (const { at, byte } of changes) bytes.writeUInt8(byte, 8 + (at % (bytes.length - 8)));
    yield bytes;
  }
}

/** The same value, about the topic if one is given, and without what would act or wait. */
function harmless(value: unknown, topic: StrangeOptions | undefined): unknown {
  if (Array.isArray(value)) return value.map((item) => harmless(item, topic));
  if (value === null || typeof value !== 'object' || Buffer.isBuffer(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => {
      if (key in FIXED) return [key, FIXED[key]];
      if (topic !== undefined && /^(name|topic|topicName|resourceName)$/.test(key)) {
        return [key, topic.topic];
      }
      if (topic !== undefined && key === 'topicId') return [key, topic.topicId];
      if (topic !== undefined && key === 'records') return [key, topic.batch];
      if (/^(index|partition|partitionIndex)$/.test(key)) return [key, 0];
      return [key, harmless(inner, topic)];
    }),
  );
}
