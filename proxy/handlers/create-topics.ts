/**
 * CreateTopics (DESIGN §8). A topic that is to be diskless is created with safe values upstream, by
 * the client's own request; once it is there its record is written, and then the client is
 * answered.
 */
import {
  CreateTopicsRequest,
  CreateTopicsResponse,
  KafkaErrorCode,
  ZERO_UUID,
} from '../../kafka/index.ts';
import type { ClientRequest, Forward, Reply, RequestHandler } from '../connection/handler.ts';
import { changedReply, changedRequest, decodeReply, decodeRequest } from '../connection/recode.ts';
import { brokerIdsOf } from '../nodes/broker-references.ts';
import { overlayCreated, type DefaultConfig } from '../topics/config-overlay.ts';
import type { PlannedCreation, Refusal, TopicAdmin } from '../topics/topic-admin.ts';
import { isOwnKey } from '../topics/topic-keys.ts';
import { sentValue } from './config-resources.ts';

export interface CreateTopicsDependencies {
  readonly admin: TopicAdmin;
}

type CreatableTopic = CreateTopicsRequest['topics'][number];
type TopicResult = CreateTopicsResponse['topics'][number];

/** What is to become of the topics of one request, by name. */
interface Creation {
  readonly sent: readonly CreatableTopic[];
  readonly planned: ReadonlyMap<string, PlannedCreation>;
  readonly refused: ReadonlyMap<string, Refusal>;
  readonly defaults: ReadonlyMap<string, DefaultConfig>;
}

/** @returns the handler of CreateTopics */
export function createTopicsHandler({ admin }: CreateTopicsDependencies): RequestHandler {
  return {
    handle(request) {
      const body = decodeRequest(CreateTopicsRequest, request);
      const topics = body.topics.map(withBrokerIds);
      const isConcerned = topics.some((topic) => concerns(admin, topic));
      const plain = { planned: new Map(), refused: new Map(), defaults: new Map() };
      if (!isConcerned) return forward(admin, request, body, { sent: topics, ...plain });
      return plan(admin, body, topics).then((creation) => forward(admin, request, body, creation));
    },
  };
}

function withBrokerIds(topic: CreatableTopic): CreatableTopic {
  const assignments = topic.assignments.map((assignment) => ({
    ...assignment,
    brokerIds: brokerIdsOf(assignment.brokerIds) ?? assignment.brokerIds,
  }));
  const configs = topic.configs.map((config) => ({ ...config, value: sentValue(config) }));
  return { ...topic, assignments, configs };
}

function concerns(admin: TopicAdmin, { name, configs }: CreatableTopic): boolean {
  return admin.isCreationConcerned(
    name,
    configs.map((config) => config.name),
  );
}

async function plan(
  admin: TopicAdmin,
  { validateOnly }: CreateTopicsRequest,
  topics: readonly CreatableTopic[],
): Promise<Creation> {
  const sent: CreatableTopic[] = [];
  const planned = new Map<string, PlannedCreation>();
  const refused = new Map<string, Refusal>();
  const counts = new Map<string, number>();
  for (const { name } of topics) counts.set(name, (counts.get(name) ?? 0) + 1);
  for (const topic of topics) {
    if (!concerns(admin, topic)) {
      sent.push(topic);
      continue;
    }
    if (counts.get(topic.name) !== 1) {
      // The broker refuses all of them, whatever they say.
      sent.push({ ...topic, configs: topic.configs.filter(({ name }) => !isOwnKey(name)) });
      continue;
    }
    const outcome = await planOne(admin, topic, validateOnly);
    if (outcome.kind === 'refused') {
      refused.set(topic.name, outcome);
      continue;
    }
    planned.set(topic.name, outcome);
    const configs = [...outcome.upstream].map(([name, value]) => ({ name, value }));
    sent.push({ ...topic, configs });
  }
  return { sent, planned, refused, defaults: await admin.defaults() };
}

async function planOne(
  admin: TopicAdmin,
  { name, configs }: CreatableTopic,
  validateOnly: boolean,
): Promise<PlannedCreation | Refusal> {
  const values = new Map<string, string>();
  const nulls: string[] = [];
  for (const config of configs) {
    if (config.value === null) nulls.push(config.name);
    else values.set(config.name, config.value);
  }
  if (nulls.length === 0) return admin.planCreation(name, values, validateOnly);
  // In the controller's words.
  const errorMessage = `Null value not supported for topic configs: ${nulls.join(',')}`;
  return { kind: 'refused', errorCode: KafkaErrorCode.INVALID_CONFIG, errorMessage };
}

function forward(
  admin: TopicAdmin,
  request: ClientRequest,
  body: CreateTopicsRequest,
  creation: Creation,
): Forward {
  const upstream = { ...body, topics: [...creation.sent] };
  return {
    kind: 'forward',
    frame: changedRequest(CreateTopicsRequest, request, upstream),
    reply: async (frame) => finish(admin, request, body, creation, frame),
  };
}

async function finish(
  admin: TopicAdmin,
  request: ClientRequest,
  { validateOnly }: CreateTopicsRequest,
  creation: Creation,
  frame: Buffer,
): Promise<Reply> {
  const { header, body } = decodeReply(CreateTopicsResponse, request, frame);
  const topics: TopicResult[] = [];
  for (const result of body.topics) {
    const planned = creation.planned.get(result.name);
    const isCreated = result.errorCode === KafkaErrorCode.NONE && !validateOnly;
    const refusal =
      planned === undefined || !isCreated
        ? undefined
        : await admin.commitCreation(result.name, idOf(result), planned);
    topics.push(
      refusal === undefined
        ? shown(result, planned, creation.defaults)
        : failed(result.name, refusal),
    );
  }
  for (const [name, refusal] of creation.refused) topics.push(failed(name, refusal));
  return changedReply(CreateTopicsResponse, request, header, { ...body, topics });
}

function idOf({ topicId }: TopicResult): string | undefined {
  return topicId === ZERO_UUID ? undefined : topicId;
}

function shown(
  result: TopicResult,
  planned: PlannedCreation | undefined,
  defaults: ReadonlyMap<string, DefaultConfig>,
): TopicResult {
  const { configs } = result;
  // The broker tells nothing to clients that may not describe configurations.
  if (configs === null || configs.length === 0) return result;
  return { ...result, configs: overlayCreated(configs, planned?.settings, defaults) };
}

function failed(name: string, { errorCode, errorMessage }: Refusal): TopicResult {
  return {
    name,
    topicId: ZERO_UUID,
    errorCode,
    errorMessage,
    topicConfigErrorCode: KafkaErrorCode.NONE,
    numPartitions: -1,
    replicationFactor: -1,
    configs: [],
  };
}
