/**
 * AlterConfigs and IncrementalAlterConfigs (DESIGN §8). What concerns the switch of a topic, or
 * values that a diskless topic has another of upstream, is planned first; the broker gets its part
 * of the plan in the client's own request, and so decides whether the client may; then the plan is
 * committed, and only then the client is answered. Everything else is the broker's business.
 */
import {
  AlterConfigsRequest,
  AlterConfigsResponse,
  IncrementalAlterConfigsRequest,
  IncrementalAlterConfigsResponse,
  KafkaErrorCode,
  type Message,
} from '../../kafka/index.ts';
import {
  forwardUntouched,
  type Chunks,
  type ClientRequest,
  type Forward,
  type Reply,
  type RequestHandler,
} from '../connection/handler.ts';
import { changedReply, changedRequest, decodeReply, decodeRequest } from '../connection/recode.ts';
import { CONFIG_OP, type ConfigOp, type TopicChange } from '../topics/change-plan.ts';
import { RESOURCE_TYPE } from '../topics/cluster-topics.ts';
import type { PlannedChange, Refusal, TopicAdmin } from '../topics/topic-admin.ts';
import { resourceKey, sentName, sentValue } from './config-resources.ts';

export interface AlterConfigsDependencies {
  readonly admin: TopicAdmin;
}

/** A resource of either request: an entry of AlterConfigs is an operation that sets. */
interface Resource {
  readonly resourceType: number;
  readonly resourceName: string;
  readonly configs: readonly ConfigOp[];
}

interface AlterBody {
  readonly resources: readonly Resource[];
  readonly validateOnly: boolean;
}

/** What the two APIs do differently. */
interface AlterApi {
  readonly response: Message<AlterConfigsResponse, AlterConfigsResponse>;
  readonly changeKind: TopicChange['kind'];
  decode(request: ClientRequest): AlterBody;
  encode(request: ClientRequest, body: AlterBody): Chunks;
}

const INCREMENTAL: AlterApi = {
  response: IncrementalAlterConfigsResponse,
  changeKind: 'operations',
  decode: (request) => decodeRequest(IncrementalAlterConfigsRequest, request),
  encode: (request, body) => changedRequest(IncrementalAlterConfigsRequest, request, body),
};

const REPLACING: AlterApi = {
  response: AlterConfigsResponse,
  changeKind: 'replacement',
  decode(request) {
    const body = decodeRequest(AlterConfigsRequest, request);
    const resources = body.resources.map((resource) => ({
      ...resource,
      configs: resource.configs.map((config) => ({ ...config, configOperation: CONFIG_OP.set })),
    }));
    return { ...body, resources };
  },
  encode: (request, body) => changedRequest(AlterConfigsRequest, request, body),
};

interface PassedStep {
  readonly kind: 'passed';
  readonly asked: Resource;
  readonly sent: Resource;
}

/** What becomes of one resource; `asked` is as the client has named it. */
type Step =
  | PassedStep
  | { readonly kind: 'refused'; readonly asked: Resource; readonly refusal: Refusal }
  | {
      readonly kind: 'planned';
      readonly asked: Resource;
      readonly sent: Resource;
      readonly change: PlannedChange;
    };

type ResourceResult = AlterConfigsResponse['responses'][number];

/** @returns the handler of AlterConfigs */
export function alterConfigsHandler(dependencies: AlterConfigsDependencies): RequestHandler {
  return alterHandler(REPLACING, dependencies);
}

/** @returns the handler of IncrementalAlterConfigs */
export function incrementalAlterConfigsHandler(
  dependencies: AlterConfigsDependencies,
): RequestHandler {
  return alterHandler(INCREMENTAL, dependencies);
}

function alterHandler(api: AlterApi, { admin }: AlterConfigsDependencies): RequestHandler {
  return {
    handle(request, connection) {
      const body = api.decode(request);
      const passed = body.resources.map((asked) => pass(asked));
      const concerned = new Set(
        namedOnce(passed)
          .filter(({ sent }) => isPlannable(sent))
          .filter(({ sent }) => admin.isConcerned(sent.resourceName, changeOf(api, sent))),
      );
      if (concerned.size > 0) return planned(api, admin, request, body, passed, concerned);
      if (passed.every(({ asked, sent }) => asked === sent)) {
        return forwardUntouched.handle(request, connection);
      }
      return forward(api, admin, request, body, passed, () => {});
    },
  };
}

function pass(asked: Resource): PassedStep {
  const resourceName = sentName(asked);
  const values = asked.configs.map((config) => sentValue(config));
  const isSame =
    resourceName === asked.resourceName &&
    asked.configs.every(({ value }, index) => value === values[index]);
  if (isSame) return { kind: 'passed', asked, sent: asked };
  const configs = asked.configs.map((config, at) => ({ ...config, value: values[at] ?? null }));
  return { kind: 'passed', asked, sent: { ...asked, resourceName, configs } };
}

/** A resource that the broker refuses whatever it says about keys is left to it, with its words. */
function isPlannable({ resourceType, configs }: Resource): boolean {
  const ops: readonly number[] = Object.values(CONFIG_OP);
  return (
    resourceType === RESOURCE_TYPE.topic &&
    new Set(configs.map(({ name }) => name)).size === configs.length &&
    configs.every(({ configOperation, value }) => {
      const isKnown = ops.includes(configOperation) && value !== null;
      return configOperation === CONFIG_OP.delete || isKnown;
    })
  );
}

/**
 * @returns the resources that no other one of the request repeats, which the broker would refuse
 */
function namedOnce(steps: readonly PassedStep[]): PassedStep[] {
  const counts = new Map<string, number>();
  const keyOf = ({ sent }: PassedStep): string => resourceKey(sent.resourceType, sent.resourceName);
  for (const step of steps) counts.set(keyOf(step), (counts.get(keyOf(step)) ?? 0) + 1);
  return steps.filter((step) => counts.get(keyOf(step)) === 1);
}

function changeOf({ changeKind }: AlterApi, { configs }: Resource): TopicChange {
  if (changeKind === 'operations') return { kind: 'operations', ops: configs };
  const values = configs.map(({ name, value }) => [name, value ?? ''] as const);
  return { kind: 'replacement', values: new Map(values) };
}

function withChange(resource: Resource, change: TopicChange): Resource {
  if (change.kind === 'operations') return { ...resource, configs: change.ops };
  const configs = [...change.values].map(([name, value]) => {
    return { name, value, configOperation: CONFIG_OP.set };
  });
  return { ...resource, configs };
}

async function planned(
  api: AlterApi,
  admin: TopicAdmin,
  request: ClientRequest,
  body: AlterBody,
  passed: readonly PassedStep[],
  concerned: ReadonlySet<Step>,
): Promise<Forward> {
  const unlock = await admin.lock([...concerned].map(({ asked }) => asked.resourceName));
  try {
    const steps: Step[] = [];
    for (const step of passed) {
      const { asked, sent } = step;
      if (!concerned.has(step)) {
        steps.push(step);
        continue;
      }
      const change = await admin.plan(sent.resourceName, changeOf(api, sent), body.validateOnly);
      if (change.kind === 'untouched') steps.push(step);
      else if (change.kind === 'refused') steps.push({ kind: 'refused', asked, refusal: change });
      else steps.push({ kind: 'planned', asked, sent: withChange(sent, change.upstream), change });
    }
    return forward(api, admin, request, body, steps, unlock);
  } catch (error) {
    unlock();
    throw error;
  }
}

function forward(
  api: AlterApi,
  admin: TopicAdmin,
  request: ClientRequest,
  body: AlterBody,
  steps: readonly Step[],
  unlock: () => void,
): Forward {
  const resources = steps.flatMap((step) => (step.kind === 'refused' ? [] : [step.sent]));
  const finish = async (frame: Buffer): Promise<Reply> => {
    try {
      const { header, body: response } = decodeReply(api.response, request, frame);
      const results = new Map(
        response.responses.map((result) => [
          resourceKey(result.resourceType, result.resourceName),
          result,
        ]),
      );
      const responses: ResourceResult[] = [];
      for (const step of steps) {
        const result = await resultOf(admin, step, results, body.validateOnly);
        if (result !== undefined) responses.push(result);
      }
      return changedReply(api.response, request, header, { ...response, responses });
    } finally {
      unlock();
    }
  };
  return {
    kind: 'forward',
    frame: api.encode(request, { ...body, resources }),
    reply: finish,
    ended: (outcome) => {
      if (outcome === 'answered') return;
      // Lost means that the broker may have agreed: what was prepared stays true either way.
      if (outcome === 'lost') unlock();
      else void takeBack(admin, steps).finally(unlock);
    },
  };
}

async function takeBack(admin: TopicAdmin, steps: readonly Step[]): Promise<void> {
  for (const step of steps) if (step.kind === 'planned') await admin.takeBack(step.change);
}

/** @returns what the client is told of one resource */
async function resultOf(
  admin: TopicAdmin,
  step: Step,
  results: ReadonlyMap<string, ResourceResult>,
  validateOnly: boolean,
): Promise<ResourceResult | undefined> {
  const { resourceType, resourceName } = step.asked;
  if (step.kind === 'refused') {
    const { errorCode, errorMessage } = step.refusal;
    return { errorCode, errorMessage, resourceType, resourceName };
  }
  const result = results.get(resourceKey(resourceType, step.sent.resourceName));
  if (result === undefined) return undefined;
  const isDone = result.errorCode === KafkaErrorCode.NONE && !validateOnly;
  if (isDone && resourceType === RESOURCE_TYPE.topic) admin.refreshConfigs([resourceName]);
  if (step.kind === 'planned') {
    const refusal = isDone ? await admin.commit(step.change) : undefined;
    if (!isDone) await admin.takeBack(step.change);
    if (refusal !== undefined) {
      const { errorCode, errorMessage } = refusal;
      return { ...result, errorCode, errorMessage };
    }
  }
  return { ...result, resourceName };
}
