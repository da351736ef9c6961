/** Makes the large cluster, has a worker run on it in a process of its own, and answers for it. */
import { fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { pino } from 'pino';
import { RedisSession } from '../../../coordinator/redis/session.ts';
import { runDir } from '../../../docker/local/cache.ts';
import { step } from '../../../docker/local/progress.ts';
import { startRedis } from '../../../docker/local/redis.ts';
import { FsObjectStore, type ObjectStore } from '../../../storage/index.ts';
import { busyPartitions, LogTemplate, type ClusterShape } from './cluster-shape.ts';
import { fillBucket } from './large-bucket.ts';
import { LargeBrokers } from './large-brokers.ts';
import type { SiteCounts, WorkerFigures } from './figures.ts';
import { measureMetadata, type MetadataFigures } from './proxy-metadata.ts';
import type { Answer, Question, WorkerOrder } from './messages.ts';

const TIMEOUT_MS = 60_000;
const WORKER = new URL('worker-process.ts', import.meta.url);

export interface ManyPartitionsFigures extends WorkerFigures {
  readonly shape: ClusterShape;
  readonly metadata: MetadataFigures;
  /** Of the bucket when the worker started. */
  readonly bucket: { readonly objects: number; readonly bytes: number };
}

/** @param idleSeconds how long all jobs run in their intervals at the end */
export async function measureManyPartitions(
  shape: ClusterShape,
  idleSeconds: number,
): Promise<ManyPartitionsFigures> {
  const metadata = await measureMetadata(shape);
  const root = await runDir('many-partitions');
  const store = await FsObjectStore.open({ root, now: Date.now, random: randomBytes });
  const redis = await startRedis();
  const log = new LogTemplate(Date.now());
  const brokers = await LargeBrokers.start(shape, log);
  const session = await RedisSession.open({ kind: 'single', url: redis.url }, TIMEOUT_MS);
  try {
    const site = { store, redisUrl: redis.url, shape, log, logger: pino({ level: 'warn' }) };
    const count = shape.topics * shape.partitionsPerTopic;
    await step(`journals of ${count} partitions`, async (report) => fillBucket(site, report));
    const bucket = await sizeOf(store);
    const figures = await step('a worker', async () =>
      runWorker(
        {
          bootstrap: brokers.bootstrap,
          redisUrl: redis.url,
          storeUrl: `file://${root}`,
          groups: shape.groups,
          idleSeconds,
        },
        async (question) => {
          if (question.kind === 'counts') {
            return { kind: 'counts', counts: await countsOf(brokers, session) };
          }
          brokers.append(busyPartitions(shape));
          return { kind: 'appended' };
        },
      ),
    );
    return { shape, metadata, bucket, ...figures };
  } finally {
    session.close();
    await brokers.stop();
    await redis.stop();
    await rm(root, { recursive: true });
  }
}

async function runWorker(
  order: WorkerOrder,
  answer: (question: Question) => Promise<Answer>,
): Promise<WorkerFigures> {
  const worker = fork(WORKER, [JSON.stringify(order)], { serialization: 'advanced' });
  return await new Promise<WorkerFigures>((resolve, reject) => {
    worker.on('message', (question: Question) => {
      if (question.kind === 'done') resolve(question.figures);
      else answer(question).then((reply) => worker.send(reply), reject);
    });
    worker.once('error', reject);
    worker.once('exit', (code) => reject(new Error(`the worker ended with ${code}`)));
  });
}

async function countsOf(brokers: LargeBrokers, session: RedisSession): Promise<SiteCounts> {
  const stats = String(await session.call('INFO', ['stats']));
  const figure = (name: string): number =>
    Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(stats)?.[1]);
  return {
    brokers: brokers.counts,
    redisCommands: figure('total_commands_processed'),
    redisBytes: figure('total_net_input_bytes') + figure('total_net_output_bytes'),
  };
}

async function sizeOf(store: ObjectStore): Promise<{ objects: number; bytes: number }> {
  const size = { objects: 0, bytes: 0 };
  for await (const { byteCount } of store.list('')) {
    size.objects++;
    size.bytes += byteCount;
  }
  return size;
}
