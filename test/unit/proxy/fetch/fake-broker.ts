/** A broker's log and its limits (KIP-74): as much of a broker as fetches need. */
import {
  BATCH_FIELD,
  batchBytes,
  computeBatchCrc,
  FetchRequest,
  FetchResponse,
  lastOffsetDelta,
} from '../../../../kafka/index.ts';
import type { ClientRequest } from '../../../../proxy/connection/handler.ts';
import { idOf } from '../../../support/fake-catalog.ts';
import { brokerFrame } from '../../../support/handler-calls.ts';

export const LEADER_EPOCH = 4;

interface Entry {
  readonly bytes: Buffer;
  readonly lastOffset: bigint;
}

type Asked = FetchRequest['topics'][number]['partitions'][number];

export class FakeBroker {
  readonly #logs = new Map<string, Entry[]>();
  readonly requests: FetchRequest[] = [];
  /** Bytes of records handed out. */
  bytesSent = 0;

  /**
   * Appends a batch as it came from the proxy.
   * @param logAppendTimeMs set on topics with LogAppendTime
   */
  append(topic: string, partition: number, batch: Buffer, logAppendTimeMs?: number): void {
    const log = this.#logOf(topic, partition);
    const baseOffset = (log.at(-1)?.lastOffset ?? -1n) + 1n;
    const bytes = Buffer.from(batch);
    bytes.writeBigInt64BE(baseOffset, BATCH_FIELD.baseOffset);
    bytes.writeInt32BE(LEADER_EPOCH, BATCH_FIELD.partitionLeaderEpoch);
    if (logAppendTimeMs !== undefined) {
      bytes.writeUInt16BE(bytes.readUInt16BE(BATCH_FIELD.attributes) | 8, BATCH_FIELD.attributes);
      bytes.writeBigInt64BE(BigInt(logAppendTimeMs), BATCH_FIELD.maxTimestamp);
      bytes.writeUInt32BE(computeBatchCrc(bytes, 0, bytes.length), BATCH_FIELD.crc);
    }
    log.push({ bytes, lastOffset: baseOffset + BigInt(lastOffsetDelta(bytes)) });
  }

  /** @returns the answer to a forwarded Fetch */
  answer(frame: Buffer, request: ClientRequest): Buffer {
    const { apiVersion, bodyOffset } = request;
    const body = FetchRequest.decode(frame, apiVersion, bodyOffset);
    this.requests.push(body);
    const limit = { left: body.maxBytes, first: true };
    const responses = body.topics.map(({ topic, topicId, partitions }) => ({
      topic,
      topicId,
      partitions: partitions.map((asked) =>
        this.#read(topic === '' ? topicId : topic, asked, limit),
      ),
    }));
    return brokerFrame(FetchResponse, apiVersion, {
      throttleTimeMs: 0,
      errorCode: 0,
      sessionId: body.sessionEpoch === 0 ? 99 : body.sessionId,
      responses,
    });
  }

  #read(topic: string, asked: Asked, limit: { left: number; first: boolean }) {
    const log = this.#logOf(topic, asked.partition);
    const highWatermark = (log.at(-1)?.lastOffset ?? -1n) + 1n;
    const entries: Entry[] = [];
    let size = 0;
    for (const entry of log.filter(({ lastOffset }) => lastOffset >= asked.fetchOffset)) {
      if (size >= asked.partitionMaxBytes) break;
      entries.push(entry);
      size += entry.bytes.length;
    }
    const allowed = Math.max(0, Math.min(asked.partitionMaxBytes, limit.left));
    const firstBytes = entries[0] === undefined ? 0 : batchBytes(entries[0].bytes);
    const bytes = firstBytes > allowed ? (limit.first ? firstBytes : 0) : allowed;
    const records = Buffer.concat(entries.map((entry) => entry.bytes)).subarray(0, bytes);
    if (records.length > 0) limit.first = false;
    limit.left -= records.length;
    this.bytesSent += records.length;
    return {
      partitionIndex: asked.partition,
      errorCode: 0,
      highWatermark,
      lastStableOffset: highWatermark,
      logStartOffset: 0n,
      abortedTransactions: null,
      records,
    };
  }

  #logOf(topicOrId: string, partition: number): Entry[] {
    const topicId = topicOrId.length === 22 ? topicOrId : idOf(topicOrId);
    const key = `${topicId}-${partition}`;
    const log = this.#logs.get(key) ?? [];
    this.#logs.set(key, log);
    return log;
  }
}
