/** A producer with a transactional id, request by request, so that transactions can overlap. */
import { apis, buildRecordBatch } from '../../kafka/index.ts';
import type { BrokerConnection } from '../../kafka/index.ts';
import { eventually } from './support/eventually.ts';

const TRANSACTION_COORDINATOR = 1;
const TIMEOUT_MS = 30_000;
/** What speaks the first version of transactions: the epoch stays the same from one to the next. */
const FIRST_VERSIONS = { addPartitions: 3, produce: 11, endTxn: 4 };

export class RawProducer {
  readonly #broker: BrokerConnection;
  readonly #id: string;
  readonly #topic: { readonly name: string; readonly topicId: string };
  readonly #isFirstVersion: boolean;
  #producer = { producerId: -1n, producerEpoch: -1 };
  #sequence = 0;

  /** @param isFirstVersion whether it speaks transactions as clients before 4.0 do */
  constructor(
    broker: BrokerConnection,
    id: string,
    topic: { readonly name: string; readonly topicId: string },
    isFirstVersion: boolean,
  ) {
    this.#broker = broker;
    this.#id = id;
    this.#topic = topic;
    this.#isFirstVersion = isFirstVersion;
  }

  async begin(): Promise<void> {
    await eventually(async () => {
      const request = { keyType: TRANSACTION_COORDINATOR, coordinatorKeys: [this.#id] };
      await this.#broker.request(apis.FindCoordinator, request);
      const init = { transactionalId: this.#id, transactionTimeoutMs: 60_000 };
      const { errorCode, producerId, producerEpoch } = await this.#broker.request(
        apis.InitProducerId,
        init,
      );
      this.#producer = { producerId, producerEpoch };
      return errorCode;
    }).toBe(0);
  }

  /** Sends one batch, in the transaction that is open or begins with it. */
  async send(valueBytes: number, timestampMs: number): Promise<void> {
    if (this.#isFirstVersion) await this.#addPartition();
    const batch = buildRecordBatch(
      {
        ...this.#producer,
        baseSequence: this.#sequence,
        baseTimestamp: BigInt(timestampMs),
        transactional: true,
      },
      [{ value: Buffer.alloc(valueBytes) }, { value: Buffer.from('last'), timestampDelta: 5 }],
    );
    this.#sequence += 2;
    const partitionData = [{ index: 0, records: batch }];
    // The transaction before may not have ended on the partition yet: CONCURRENT_TRANSACTIONS.
    await eventually(async () => {
      const { responses } = await this.#broker.request(
        apis.Produce,
        {
          transactionalId: this.#id,
          acks: -1,
          timeoutMs: TIMEOUT_MS,
          topicData: [{ ...this.#topic, partitionData }],
        },
        this.#isFirstVersion ? { version: FIRST_VERSIONS.produce } : {},
      );
      return responses[0]?.partitionResponses[0]?.errorCode;
    }).toBe(0);
  }

  async end(committed: boolean): Promise<void> {
    await eventually(async () => {
      const { errorCode, producerId, producerEpoch } = await this.#broker.request(
        apis.EndTxn,
        { transactionalId: this.#id, ...this.#producer, committed },
        this.#isFirstVersion ? { version: FIRST_VERSIONS.endTxn } : {},
      );
      if (errorCode === 0 && !this.#isFirstVersion) {
        this.#producer = { producerId, producerEpoch };
        this.#sequence = 0;
      }
      return errorCode;
    }).toBe(0);
  }

  async #addPartition(): Promise<void> {
    await eventually(async () => {
      const { resultsByTopicV3AndBelow: results } = await this.#broker.request(
        apis.AddPartitionsToTxn,
        {
          v3AndBelowTransactionalId: this.#id,
          v3AndBelowProducerId: this.#producer.producerId,
          v3AndBelowProducerEpoch: this.#producer.producerEpoch,
          v3AndBelowTopics: [{ name: this.#topic.name, partitions: [0] }],
        },
        { version: FIRST_VERSIONS.addPartitions },
      );
      return results[0]?.resultsByPartition[0]?.partitionErrorCode;
    }).toBe(0);
  }
}
