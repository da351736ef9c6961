import { expect, test } from 'vitest';
import {
  ApiKey,
  apiKeyName,
  ApiVersionsRequest,
  ApiVersionsResponse,
  FetchRequest,
  KafkaErrorCode,
  messages,
} from '../../../../kafka/index.ts';
import { forwardUntouched, type RequestHandler } from '../../../../proxy/connection/handler.ts';
import { apiVersionsHandler } from '../../../../proxy/handlers/api-versions.ts';
import {
  handlerTable,
  offeredVersions,
  type ParsedApi,
} from '../../../../proxy/handlers/handler-table.ts';
import {
  answerTo,
  bodylessRequest,
  brokerFrame,
  bytesOf,
  clientRequest,
  connectionTo,
  decoded,
  handledAtOnce,
  replyTo,
} from '../../../support/handler-calls.ts';

/** Every key of Kafka 4.3. */
const KEYS = Array.from({ length: 93 }, (_, key) => key);
/** Between brokers and controllers, or naming controllers' addresses. */
const HIDDEN = [
  4, 5, 6, 7, 52, 53, 54, 56, 58, 59, 62, 63, 67, 70, 73, 80, 81, 82, 83, 84, 85, 86, 87,
];

function parsedHandlers(handler: RequestHandler): Record<ParsedApi, RequestHandler> {
  const names = [...messages.keys()].map((key) => [apiKeyName(key), handler] as const);
  // Every parsed API has a message; the table itself refuses to be made otherwise.
  return Object.fromEntries(names) as Record<ParsedApi, RequestHandler>;
}

test('every API of Kafka 4.3 is parsed, forwarded or hidden on purpose', () => {
  const handlerOf = handlerTable(parsedHandlers(forwardUntouched));
  for (const key of KEYS) {
    expect(apiKeyName(key), `key ${key} has no name`).not.toBeNull();
    const isHidden = HIDDEN.includes(key);
    expect(handlerOf(key) === undefined, `key ${key}`).toBe(isHidden);
    expect(offeredVersions(key, { min: 0, max: 4 }) === null, `key ${key}`).toBe(isHidden);
  }
  expect(apiKeyName(KEYS.length), 'Kafka has more APIs than this test knows').toBeNull();
});

test('an API that nobody knows is hidden', () => {
  expect(offeredVersions(10_000, { min: 0, max: 0 })).toBeNull();
  expect(handlerTable(parsedHandlers(forwardUntouched))(10_000)).toBeUndefined();
});

test('APIs that are looked into are offered up to the version known here, others as they are', () => {
  expect(offeredVersions(ApiKey.Metadata, { min: 0, max: 99 })).toEqual({ min: 0, max: 13 });
  expect(offeredVersions(ApiKey.Metadata, { min: 0, max: 12 })).toEqual({ min: 0, max: 12 });
  expect(offeredVersions(ApiKey.Metadata, { min: 14, max: 15 })).toBeNull();
  expect(offeredVersions(ApiKey.OffsetCommit, { min: 2, max: 99 })).toEqual({ min: 2, max: 99 });
});

test('old versions of Fetch are not offered, those that librdkafka wants to see are', () => {
  expect(offeredVersions(ApiKey.Fetch, { min: 0, max: 17 })?.min).toBe(4);
  expect(offeredVersions(ApiKey.SaslHandshake, { min: 0, max: 1 })).toEqual({ min: 0, max: 1 });
  // Whatever versions a broker serves (KAFKA-18659).
  expect(offeredVersions(ApiKey.Produce, { min: 0, max: 13 })?.min).toBe(0);
});

test('what transactions of version 2 need is never cut off', () => {
  expect(offeredVersions(ApiKey.Produce, { min: 0, max: 13 })?.max).toBeGreaterThanOrEqual(12);
  expect(offeredVersions(ApiKey.EndTxn, { min: 0, max: 5 })?.max).toBe(5);
  expect(offeredVersions(ApiKey.TxnOffsetCommit, { min: 0, max: 5 })?.max).toBe(5);
});

test('a version that was not offered closes the connection', () => {
  const handler = handlerTable(parsedHandlers(forwardUntouched))(ApiKey.Fetch);
  const request = bodylessRequest(ApiKey.Fetch, FetchRequest.versions[1] + 1);
  const context = connectionTo({ kind: 'bootstrap' });
  expect(() => handler?.handle(request, context)).toThrowError('which was not offered');
  const apiVersions = handlerTable(parsedHandlers(forwardUntouched))(ApiKey.ApiVersions);
  expect(apiVersions?.handle(bodylessRequest(ApiKey.ApiVersions, 99), context)).toBeDefined();
});

const FEATURES = {
  supportedFeatures: [{ name: 'transaction.version', minVersion: 0, maxVersion: 2 }],
  finalizedFeaturesEpoch: 12n,
  finalizedFeatures: [{ name: 'transaction.version', maxVersionLevel: 2, minVersionLevel: 2 }],
  zkMigrationReady: true,
};

test.each([0, 1, 2, 3, 4])('ApiVersions v%i hides, caps and keeps features', async (version) => {
  const range = (apiKey: number, minVersion: number, maxVersion: number) => {
    return { apiKey, minVersion, maxVersion };
  };
  const request = clientRequest(ApiVersionsRequest, version, {});
  const answer = await answerTo(apiVersionsHandler, ApiVersionsResponse, request, {
    errorCode: 0,
    apiKeys: [range(0, 0, 99), range(1, 0, 3), range(8, 2, 99), range(80, 0, 1), range(999, 0, 0)],
    throttleTimeMs: version > 0 ? 5 : 0,
    ...(version >= 3 ? FEATURES : {}),
  });
  expect(answer.apiKeys).toEqual([range(0, 0, 13), range(8, 2, 99)]);
  expect(answer.throttleTimeMs).toBe(version > 0 ? 5 : 0);
  if (version >= 3) expect(answer).toMatchObject(FEATURES);
});

test('a request newer than this proxy is answered in version 0 with the versions it knows', () => {
  const handled = handledAtOnce(apiVersionsHandler, bodylessRequest(ApiKey.ApiVersions, 5));
  if (handled.kind !== 'answer') throw new Error('the broker was asked');
  const answer = decoded(ApiVersionsResponse, 0, bytesOf(handled.reply));
  expect(answer.errorCode).toBe(KafkaErrorCode.UNSUPPORTED_VERSION);
  expect(answer.apiKeys).toEqual([{ apiKey: 18, minVersion: 0, maxVersion: 4 }]);
});

test('an older broker answers a newer request in version 0, and so does the proxy', async () => {
  const refusal = {
    errorCode: KafkaErrorCode.UNSUPPORTED_VERSION,
    apiKeys: [{ apiKey: 18, minVersion: 0, maxVersion: 3 }],
  };
  const frame = brokerFrame(ApiVersionsResponse, 0, refusal);
  const request = clientRequest(ApiVersionsRequest, 4, {});
  const answer = decoded(ApiVersionsResponse, 0, await replyTo(apiVersionsHandler, request, frame));
  expect(answer).toMatchObject(refusal);
});
