/**
 * `npm run quickstart`: a real single-node Kafka, Redis and Outrigger on a folder; a classic and a
 * diskless topic are written and read through Outrigger, and what lies where is printed, before and
 * after a worker has done its work. Stays up until Ctrl-C, or ends after the check with `--once`.
 */
import { rm } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import { inspect, parseArgs } from 'node:util';
import { runDir } from '../local/cache.ts';
import { startKafka } from '../local/kafka.ts';
import { startOutrigger } from '../local/outrigger.ts';
import { freePort } from '../local/ports.ts';
import { say } from '../local/progress.ts';
import { startRedis } from '../local/redis.ts';
import { startWorker } from '../local/worker.ts';
import { exchange, readAgain } from './exchange.ts';
import { whatLiesWhere } from './what-lies-where.ts';
import { whatTheWorkerDid } from './what-the-worker-did.ts';

const OUTRIGGER_PORT = 19_092;
const KAFKA_PORT = 9_092;
const REDIS_PORT = 6_379;
/** What a shell answers for a command that Ctrl-C has ended. */
const INTERRUPTED = 130;
const TOPICS = [
  { name: 'orders-classic', isDiskless: false },
  { name: 'orders-diskless', isDiskless: true },
] as const;

/** What takes hours in production happens while somebody looks on. */
const WORKER_CONFIGS = {
  'merge.interval.ms': 500,
  'consolidate.interval.ms': 500,
  'trim.interval.ms': 500,
  'trim.keep.ms': 0,
  'sweep.interval.ms': 500,
  'sweep.margin.ms': 0,
};

const { values: options } = parseArgs({ options: { once: { type: 'boolean', default: false } } });

const stops: (() => Promise<void>)[] = [];
const interrupted = new Promise<void>((resolve) => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
});
let exitCode = INTERRUPTED;

try {
  await Promise.race([run(), interrupted]);
} catch (error) {
  // With what it consists of: a client's error is often a list of others.
  say(`The quickstart failed: ${inspect(error)}`);
  exitCode = 1;
}
say('Stopping ...');
// The last one started depends on those before it.
for (const stop of stops.toReversed()) await stop();
// A start that was interrupted is still waiting.
process.exit(exitCode);

async function run(): Promise<void> {
  const kafka = await startKafka({ ports: [await freePort(KAFKA_PORT)] });
  stops.push(async () => kafka.stop());
  say(`Kafka ${kafka.libs.version}, one node, unmodified: up`);
  const redis = await startRedis({ port: await freePort(REDIS_PORT) });
  stops.push(async () => redis.stop());
  say('Redis: up');
  const storeDir = await runDir('store');
  stops.push(async () => rm(storeDir, { recursive: true }));
  const servers = {
    kafkaBootstrap: kafka.bootstrap,
    redisUrl: redis.url,
    storeUrl: pathToFileURL(storeDir).href,
  };
  const outrigger = await startOutrigger({
    ...servers,
    port: await freePort(OUTRIGGER_PORT),
    // Everything is uploaded: so few bytes would not be worth a PUT otherwise.
    configs: { 'wal.min.bytes': 0 },
  });
  stops.push(async () => outrigger.stop());
  say('Outrigger: up');

  const counts = await exchange(outrigger.bootstrap, TOPICS);
  const [broker] = kafka.brokers;
  if (broker === undefined) throw new Error('a cluster has a broker');
  console.log(await whatLiesWhere(counts, broker.logDir, storeDir));
  const worker = await startWorker({ ...servers, configs: WORKER_CONFIGS });
  stops.push(async () => worker.stop());
  say('A worker: up');
  const diskless = counts.find(({ isDiskless }) => isDiskless);
  if (diskless === undefined) throw new Error('one topic is diskless');
  const site = { broker: kafka.bootstrap, bootstrap: outrigger.bootstrap, storeDir };
  console.log(await whatTheWorkerDid(site, diskless));
  await readAgain(outrigger.bootstrap, diskless);
  console.log(`${diskless.name} was read again from its beginning: nothing is missing.\n`);
  console.log(`bootstrap: ${outrigger.bootstrap}`);
  console.log(`kafka: ${kafka.bootstrap}`);
  console.log(`redis: ${redis.url}`);
  console.log(`store: ${storeDir}`);
  exitCode = 0;
  if (options.once) return;
  say('Everything stays up until Ctrl-C.');
  await interrupted;
}
