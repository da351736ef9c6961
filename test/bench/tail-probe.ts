/**
 * What a producer and a consumer at the end of the log feel: one batch at a time at a steady pace,
 * how long each acknowledgement takes, and how old each batch is when the consumer has it.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { apis, baseTimestamp, BrokerConnection, buildRecordBatch } from '../../kafka/index.ts';
import { LogTail } from './log-tail.ts';
import { leaderOf } from './raw-clients.ts';

const RECORD = { value: Buffer.alloc(1024, 'outrigger') };
const RECORDS_IN_BATCH = 16;
const PACE_MS = 20;
const BYTES_MAX = 1024 * 1024;
const WAIT_MS = 500;
const PRODUCE_VERSION = 9;
const ALL = -1;

export interface TailFigures {
  /** Milliseconds from a batch's being sent to its acknowledgement, one for each. */
  readonly acknowledged: readonly number[];
  /** Milliseconds from a batch's being made to its being read, one for each. */
  readonly read: readonly number[];
}

/** @returns what was felt within that many seconds, on partition 0 */
export async function probeTail(
  bootstrap: string,
  topic: string,
  seconds: number,
): Promise<TailFigures> {
  const connection = await BrokerConnection.open(await leaderOf(bootstrap, topic), {
    clientId: 'bench',
  });
  const start = await endOffset(connection, topic);
  const options = { bootstrap, topic, partition: 0, bytesMax: BYTES_MAX, waitMs: WAIT_MS };
  const tail = await LogTail.open(options, start);
  const stopped = new AbortController();
  const reading = readUntil(tail, stopped.signal);
  try {
    const acknowledged = await produceFor(connection, topic, seconds);
    stopped.abort();
    return { acknowledged, read: await reading };
  } finally {
    stopped.abort();
    await reading;
    await Promise.all([tail.close(), connection.close()]);
  }
}

async function produceFor(
  connection: BrokerConnection,
  topic: string,
  seconds: number,
): Promise<number[]> {
  const times: number[] = [];
  const sent: Promise<void>[] = [];
  const endMs = performance.now() + seconds * 1_000;
  while (performance.now() < endMs) {
    sent.push(produceOne(connection, topic).then((ms) => void times.push(ms)));
    await pause(PACE_MS);
  }
  await Promise.all(sent);
  return times;
}

async function produceOne(connection: BrokerConnection, topic: string): Promise<number> {
  const startMs = performance.now();
  const header = { baseTimestamp: BigInt(Date.now()) };
  const records = buildRecordBatch(
    header,
    Array.from({ length: RECORDS_IN_BATCH }, () => RECORD),
  );
  const answer = await connection.request(
    apis.Produce,
    {
      transactionalId: null,
      acks: ALL,
      timeoutMs: 30_000,
      topicData: [{ name: topic, partitionData: [{ index: 0, records }] }],
    },
    { version: PRODUCE_VERSION },
  );
  const errorCode = answer.responses[0]?.partitionResponses[0]?.errorCode;
  if (errorCode !== 0) throw new Error(`a produce ended with error ${errorCode}`);
  return performance.now() - startMs;
}

async function readUntil(tail: LogTail, signal: AbortSignal): Promise<number[]> {
  const ages: number[] = [];
  while (!signal.aborted) {
    const batches = await tail.next();
    const nowMs = Date.now();
    for (const batch of batches) ages.push(nowMs - Number(baseTimestamp(batch)));
  }
  return ages;
}

async function endOffset(connection: BrokerConnection, topic: string): Promise<bigint> {
  const partitions = [{ partitionIndex: 0, currentLeaderEpoch: -1, timestamp: -1n }];
  const answer = await connection.request(apis.ListOffsets, {
    replicaId: -1,
    isolationLevel: 0,
    topics: [{ name: topic, partitions }],
  });
  return answer.topics[0]?.partitions[0]?.offset ?? 0n;
}
