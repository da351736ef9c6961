/**
 * DescribeConfigs (DESIGN §8): topics show what their users have set, and the keys that only
 * Outrigger knows; brokers are found behind their diskless nodes. To tell what would hold if nobody
 * had set anything, the broker is asked for synonyms also where the client has not.
 */
import {
  DescribeConfigsRequest,
  DescribeConfigsResponse,
  KafkaErrorCode,
} from '../../kafka/index.ts';
import {
  forwardUntouched,
  type ClientRequest,
  type Reply,
  type RequestHandler,
} from '../connection/handler.ts';
import { changedReply, changedRequest, decodeReply, decodeRequest } from '../connection/recode.ts';
import { RESOURCE_TYPE } from '../topics/cluster-topics.ts';
import { overlayDescribed, type DefaultConfig } from '../topics/config-overlay.ts';
import type { TopicAdmin } from '../topics/topic-admin.ts';
import type { TopicCatalog } from '../topics/topic-catalog.ts';
import { settingsOf } from '../topics/topic-register.ts';
import type { TopicSettings } from '../topics/upstream-configs.ts';
import { resourceKey, sentName } from './config-resources.ts';

export interface DescribeConfigsDependencies {
  readonly admin: Pick<TopicAdmin, 'defaults'>;
  readonly catalog: Pick<TopicCatalog, 'byName'>;
}

/** From here on a request may ask for synonyms; before, it cannot be told what would hold. */
const VERSION_SYNONYMS = 1;

type Resource = DescribeConfigsRequest['resources'][number];
type Result = DescribeConfigsResponse['results'][number];

/** @returns the handler of DescribeConfigs */
export function describeConfigsHandler(dependencies: DescribeConfigsDependencies): RequestHandler {
  return {
    handle(request, connection) {
      const body = decodeRequest(DescribeConfigsRequest, request);
      const sent = body.resources.map((asked) => ({ ...asked, resourceName: sentName(asked) }));
      const isOurs = body.resources.some((asked, index) => {
        return isTopic(asked) || asked.resourceName !== sent[index]?.resourceName;
      });
      if (!isOurs) return forwardUntouched.handle(request, connection);
      const isDiskless = body.resources.some((asked) => {
        return isTopic(asked) && settingsIn(dependencies, asked.resourceName)?.diskless === true;
      });
      const hidesValues = isDiskless && request.apiVersion >= VERSION_SYNONYMS;
      const includeSynonyms = body.includeSynonyms || hidesValues;
      const upstream = { ...body, resources: sent, includeSynonyms };
      return {
        kind: 'forward',
        frame: changedRequest(DescribeConfigsRequest, request, upstream),
        reply: async (frame) => {
          const { admin } = dependencies;
          const defaults = isDiskless ? await admin.defaults() : new Map<string, DefaultConfig>();
          return rewritten(dependencies, request, { body, defaults }, frame);
        },
      };
    },
  };
}

function isTopic({ resourceType }: { readonly resourceType: number }): boolean {
  return resourceType === RESOURCE_TYPE.topic;
}

function settingsIn(
  { catalog }: DescribeConfigsDependencies,
  topic: string,
): TopicSettings | undefined {
  return settingsOf(catalog.byName(topic)?.record);
}

/** What the client has asked, and what else its answer needs. */
interface Asked {
  readonly body: DescribeConfigsRequest;
  readonly defaults: ReadonlyMap<string, DefaultConfig>;
}

function rewritten(
  dependencies: DescribeConfigsDependencies,
  request: ClientRequest,
  asked: Asked,
  frame: Buffer,
): Reply {
  const { header, body } = decodeReply(DescribeConfigsResponse, request, frame);
  const waiting = new Map<string, Resource[]>();
  for (const resource of asked.body.resources) {
    const key = resourceKey(resource.resourceType, sentName(resource));
    waiting.set(key, [...(waiting.get(key) ?? []), resource]);
  }
  const results = body.results.map((result) => {
    const resource = waiting.get(resourceKey(result.resourceType, result.resourceName))?.shift();
    return resource === undefined ? result : seen(dependencies, asked, resource, result);
  });
  return changedReply(DescribeConfigsResponse, request, header, { ...body, results });
}

/** @returns what the client sees of one resource */
function seen(
  dependencies: DescribeConfigsDependencies,
  { body, defaults }: Asked,
  { resourceName, configurationKeys }: Resource,
  result: Result,
): Result {
  const isDescribed = isTopic(result) && result.errorCode === KafkaErrorCode.NONE;
  const configs = isDescribed
    ? overlayDescribed(result.configs, {
        settings: settingsIn(dependencies, resourceName),
        defaults,
        requestedKeys: configurationKeys,
        includeDocumentation: body.includeDocumentation,
      })
    : result.configs;
  const shown = body.includeSynonyms
    ? configs
    : configs.map((config) => ({ ...config, synonyms: [] }));
  return { ...result, resourceName, configs: shown };
}
