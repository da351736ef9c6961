/**
 * ApiVersions: clients are offered what the broker offers, less the versions of parsed APIs that
 * are not known here and the APIs that are hidden. Features pass as they are.
 *
 * A request in a version that this proxy, or the broker, does not know is answered in version 0
 * with error 35 and the versions of ApiVersions itself (KIP-511).
 */
import {
  ApiKey,
  ApiVersionsResponse,
  KafkaErrorCode,
  parseResponseHeader,
} from '../../kafka/index.ts';
import type { ClientRequest, Reply, RequestHandler } from '../connection/handler.ts';
import { changedReply, ownReply } from '../connection/recode.ts';
import { offeredVersions } from './handler-table.ts';

/** The version of an answer to a version that is not known. */
const FALLBACK_VERSION = 0;

export const apiVersionsHandler: RequestHandler = {
  handle(request) {
    if (!ApiVersionsResponse.supports(request.apiVersion)) {
      return { kind: 'answer', reply: refuseVersion(request) };
    }
    return {
      kind: 'forward',
      frame: [request.frame],
      reply: (frame) => rewrite(request, frame),
    };
  },
};

function refuseVersion(request: ClientRequest): Reply {
  const [minVersion, maxVersion] = ApiVersionsResponse.versions;
  return ownReply(
    ApiVersionsResponse,
    { ...request, apiVersion: FALLBACK_VERSION },
    {
      errorCode: KafkaErrorCode.UNSUPPORTED_VERSION,
      apiKeys: [{ apiKey: ApiKey.ApiVersions, minVersion, maxVersion }],
    },
  );
}

function rewrite(request: ClientRequest, frame: Buffer): Reply {
  const { bodyOffset } = parseResponseHeader(frame, request.apiKey, request.apiVersion);
  // The error code stands first in every version.
  const refused = frame.readInt16BE(bodyOffset) === KafkaErrorCode.UNSUPPORTED_VERSION;
  const answered = refused ? { ...request, apiVersion: FALLBACK_VERSION } : request;
  const body = ApiVersionsResponse.decode(frame, answered.apiVersion, bodyOffset);
  const apiKeys = body.apiKeys.flatMap(({ apiKey, minVersion, maxVersion }) => {
    const range = offeredVersions(apiKey, { min: minVersion, max: maxVersion });
    return range === null ? [] : [{ apiKey, minVersion: range.min, maxVersion: range.max }];
  });
  const header = frame.subarray(0, bodyOffset);
  return changedReply(ApiVersionsResponse, answered, header, { ...body, apiKeys });
}
