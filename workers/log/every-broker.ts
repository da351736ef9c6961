/**
 * Asks every broker of the cluster what it knows of topics. One broker's word is not enough where
 * bytes are deleted for it: a leader that was cut off from the controller knows nothing of it.
 */
import type { Logger } from 'pino';
import { apis, OutriggerError } from '../../kafka/index.ts';
import type { ClusterClient, MetadataResponse } from '../../kafka/index.ts';

/** A broker that does not answer in time has no say. */
const ANSWER_TIMEOUT_MS = 5_000;

export type ClientToAll = Pick<ClusterClient, 'metadata' | 'toBroker'>;

/** By name or by id. */
export type AskedTopic =
  | { readonly name: string }
  | { readonly name: null; readonly topicId: string };

export interface EveryAnswer {
  /** Of all brokers that any of those names that answered, whether they did or not. */
  readonly brokerCount: number;
  readonly answers: readonly MetadataResponse[];
}

/** @throws what a client throws that reaches no broker at all */
export async function askEveryBroker(
  client: ClientToAll,
  topics: readonly AskedTopic[],
  logger: Logger,
): Promise<EveryAnswer> {
  // One that is new and not asked yet is named by the others, and so counts without a say.
  const { brokers } = await client.metadata();
  const ask = async (brokerId: number): Promise<MetadataResponse | undefined> => {
    try {
      const connection = await client.toBroker(brokerId);
      const request = { topics, allowAutoTopicCreation: false };
      return await connection.request(apis.Metadata, request, { timeoutMs: ANSWER_TIMEOUT_MS });
    } catch (error) {
      if (!(error instanceof OutriggerError)) throw error;
      logger.debug({ err: error, brokerId }, 'a broker could not be asked for topics');
      return undefined;
    }
  };
  const all = await Promise.all([...brokers.keys()].map(ask));
  const answers = all.filter((answer) => answer !== undefined);
  const named = answers.flatMap((answer) => answer.brokers.map(({ nodeId }) => nodeId));
  return { brokerCount: new Set(named).size, answers };
}
