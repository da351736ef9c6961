/**
 * Decides what becomes of one produced batch of a diskless topic: into a WAL file, to the broker as
 * it is, or refused. A batch that the broker itself would refuse goes to it as it is, so that the
 * client gets the broker's own error and words; refused here is only what the broker can no longer
 * see, because the topic's policy upstream is not the user's (DESIGN §5, §8).
 */
import {
  estimatePlaceholderBytes,
  KafkaErrorCode,
  recordCount,
  validateBatch,
  type RecordError,
} from '../../kafka/index.ts';
import type { TopicConfigs } from '../topics/topic-catalog.ts';

/** Below this Produce version brokers refuse zstd (KIP-110), so placeholders must be plain. */
export const PRODUCE_VERSION_ZSTD = 7;

/** A refusal as the produce response carries it. */
export interface Refusal {
  readonly errorCode: number;
  readonly message: string;
  readonly recordErrors: readonly RecordError[];
}

export type Admission =
  /** Worth a placeholder; the largest timestamp of its records, which its header may deny. */
  | { readonly kind: 'wal'; readonly maxTimestamp: bigint }
  /** To the broker as it is. */
  | { readonly kind: 'real' }
  | { readonly kind: 'refused'; readonly refusal: Refusal };

const REAL: Admission = { kind: 'real' };
/** How many refused records the broker's message tells of. */
const RECORD_ERRORS_TOLD = 3;
/** A placeholder must save at least half, or it is not worth the indirection. */
const REAL_BELOW_PLACEHOLDERS = 2;

/**
 * @param records the records field of one partition of a Produce request
 * @param configs what the user configured for the topic
 * @param apiVersion of the Produce request
 * @param nowMs wall clock
 */
export function admitBatch(
  records: Buffer,
  configs: TopicConfigs,
  apiVersion: number,
  nowMs: number,
): Admission {
  const validated = validateBatch(records, {
    maxMessageBytes: configs.maxMessageBytes,
    keyRequired: configs.compacted,
    timestampType: configs.timestampType,
    timestampBeforeMaxMs: configs.timestampBeforeMaxMs,
    timestampAfterMaxMs: configs.timestampAfterMaxMs,
    nowMs,
    produceVersion: apiVersion,
  });
  if (validated.kind === 'invalid' && validated.reason === 'key-missing') {
    const { recordErrors, message } = validated;
    return {
      kind: 'refused',
      refusal: { errorCode: KafkaErrorCode.INVALID_RECORD, message, recordErrors },
    };
  }
  if (validated.kind !== 'valid') return REAL;
  const zstd = apiVersion >= PRODUCE_VERSION_ZSTD;
  const hollowBytes = estimatePlaceholderBytes(recordCount(records), zstd);
  if (records.length < REAL_BELOW_PLACEHOLDERS * hollowBytes) return REAL;
  return { kind: 'wal', maxTimestamp: validated.maxTimestamp };
}

/** @returns the refusal in the broker's words, which name the partition (`LogValidator`) */
export function inBrokersWords(refusal: Refusal, topic: string, partition: number): Refusal {
  const recordErrors = refusal.recordErrors.map(({ batchIndex, message }) => ({
    batchIndex,
    message: `${message} in topic partition ${topic}-${partition}`,
  }));
  const told = recordErrors
    .slice(0, RECORD_ERRORS_TOLD)
    .map(
      ({ batchIndex, message }) => `RecordError(batchIndex=${batchIndex}, message='${message}')`,
    );
  const message =
    `One or more records have been rejected due to ${recordErrors.length} record errors in total, ` +
    `and only showing the first three errors at most: [${told.join(', ')}]`;
  return { ...refusal, message, recordErrors };
}
