/**
 * ApiVersions: the versions that a broker speaks (KIP-511 for the client's name, KIP-584 for
 * features). A request in a version that the broker does not know is answered in version 0, error
 * 35.
 */

import { ApiKey } from '../api-keys.ts';
import { message } from '../wire/message.ts';
import type { MessageOf } from '../wire/message.ts';
import { array, bool, int16, int32, int64, since, string, struct, tagged } from '../wire/schema.ts';

export const ApiVersionsRequest = message(
  { apiKey: ApiKey.ApiVersions, kind: 'request', versions: [0, 4] },
  {
    clientSoftwareName: since(3, string()),
    clientSoftwareVersion: since(3, string()),
  },
);

export type ApiVersionsRequest = MessageOf<typeof ApiVersionsRequest>;

export const ApiVersionsResponse = message(
  { apiKey: ApiKey.ApiVersions, kind: 'response', versions: [0, 4] },
  {
    errorCode: int16(),
    apiKeys: array(
      struct({
        apiKey: int16(),
        minVersion: int16(),
        maxVersion: int16(),
      }),
    ),
    throttleTimeMs: since(1, int32()),
    supportedFeatures: tagged(
      0,
      3,
      array(
        struct({
          name: string(),
          minVersion: int16(),
          maxVersion: int16(),
        }),
      ),
    ),
    finalizedFeaturesEpoch: tagged(1, 3, int64(-1n)),
    finalizedFeatures: tagged(
      2,
      3,
      array(
        struct({
          name: string(),
          maxVersionLevel: int16(),
          minVersionLevel: int16(),
        }),
      ),
    ),
    zkMigrationReady: tagged(3, 3, bool(false)),
  },
);

export type ApiVersionsResponse = MessageOf<typeof ApiVersionsResponse>;
