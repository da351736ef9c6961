/** From configuration keys to what a worker is told. */
import { OutriggerError } from '../../kafka/index.ts';
import type { WorkerErrorCode, WorkerOptions } from '../../workers/index.ts';
import type { OutriggerConfig } from './environment.ts';
import { proxyOptionsOf } from './proxy-options-of.ts';

/**
 * @returns the options of a worker
 * @throws WORKER_REDIS_MISSING
 */
export function workerOptionsOf(config: OutriggerConfig): WorkerOptions {
  const { kafka, redis, store } = proxyOptionsOf(config);
  if (redis === null) {
    const message =
      'A worker needs Redis, where its jobs are scheduled: set redis.url, redis.sentinels or redis.cluster.nodes';
    throw new OutriggerError<WorkerErrorCode>('WORKER_REDIS_MISSING', message);
  }
  const port = config['worker.http.port'];
  return {
    kafka,
    redis,
    store,
    http: port === 0 ? null : { host: config['listener.host'], port },
    groupCount: config['worker.groups'],
    memoryBytesMax: config['worker.memory.bytes.max'],
    bandwidthBytesPerSecond: config['worker.bandwidth.bytes.per.second'] || null,
    drainTimeoutMs: config['worker.drain.timeout.ms'],
    jobs: jobOptionsOf(config),
  };
}

function jobOptionsOf(config: OutriggerConfig): WorkerOptions['jobs'] {
  return {
    merge: { intervalMs: config['merge.interval.ms'], fileBytes: config['merge.file.bytes'] },
    consolidate: {
      intervalMs: config['consolidate.interval.ms'],
      segmentBytesMax: config['consolidate.segment.bytes.max'],
      backfillBytesPerSecond: config['backfill.bytes.per.second'] || null,
    },
    trim: { intervalMs: config['trim.interval.ms'], keepMs: config['trim.keep.ms'] },
    retain: {
      intervalMs: config['retain.interval.ms'],
      livePercentMin: config['retain.live.percent.min'],
      rewriteMs: config['retain.rewrite.ms'],
    },
    compact: {
      intervalMs: config['compact.interval.ms'],
      mapBytes: config['compact.map.bytes'],
    },
    sweep: {
      intervalMs: config['sweep.interval.ms'],
      marginMs: config['sweep.margin.ms'],
      unsettledMs: config['sweep.unsettled.ms'],
      journalRetentionMs: config['journal.retention.ms'],
      vanishedPercentMax: config['sweep.vanished.percent.max'],
    },
  };
}
