/**
 * DescribeLogDirs: log directories of the asked broker with the sizes of replicas in them
 * (KIP-113). Null topics ask for all.
 */

import { ApiKey } from '../api-keys.ts';
import { message } from '../wire/message.ts';
import type { MessageOf } from '../wire/message.ts';
import {
  array,
  bool,
  int16,
  int32,
  int64,
  nullable,
  since,
  string,
  struct,
} from '../wire/schema.ts';

export const DescribeLogDirsRequest = message(
  { apiKey: ApiKey.DescribeLogDirs, kind: 'request', versions: [0, 5] },
  {
    topics: nullable(
      array(
        struct({
          topic: string(),
          partitions: array(int32()),
        }),
      ),
    ),
  },
);

export type DescribeLogDirsRequest = MessageOf<typeof DescribeLogDirsRequest>;

export const DescribeLogDirsResponse = message(
  { apiKey: ApiKey.DescribeLogDirs, kind: 'response', versions: [0, 5] },
  {
    throttleTimeMs: int32(),
    errorCode: since(3, int16()),
    results: array(
      struct({
        errorCode: int16(),
        logDir: string(),
        topics: array(
          struct({
            name: string(),
            partitions: array(
              struct({
                partitionIndex: int32(),
                partitionSize: int64(),
                offsetLag: int64(),
                isFutureKey: bool(),
              }),
            ),
          }),
        ),
        totalBytes: since(4, int64(-1n)),
        usableBytes: since(4, int64(-1n)),
        isCordoned: since(5, bool(false)),
      }),
    ),
  },
);

export type DescribeLogDirsResponse = MessageOf<typeof DescribeLogDirsResponse>;
