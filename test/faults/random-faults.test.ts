/**
 * Rounds of random faults against one site of three brokers, two members, Redis and a store, under
 * load all the time: idempotent in one run, transactional in the other. The seed says which faults.
 */
import { afterEach, expect, onTestFailed, test } from 'vitest';
import { type Kafka, startKafka } from '../../docker/local/kafka.ts';
import { type Outrigger, startOutrigger } from '../../docker/local/outrigger.ts';
import { type Redis, startRedis } from '../../docker/local/redis.ts';
import { type S3, startS3 } from '../../docker/local/s3.ts';
import { CutS3, type Trouble } from './support/cut-s3.ts';
import { seededRandom } from './support/seeded-random.ts';
import { createTopic, LEVEL_ERROR, logOf, redisCommand } from './support/site.ts';
import { Workload, type WorkloadOptions } from './support/workload.ts';

const SEED = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);
const ROUNDS = Number(process.env['ROUNDS'] ?? 15);
const PARTITIONS = 6;
/** What has to be acknowledged, and read, of every partition between two faults. */
const RECORDS_BETWEEN = 20;

interface Site {
  readonly kafka: Kafka;
  readonly redis: Redis;
  readonly s3: S3;
  readonly cut: CutS3;
  readonly members: readonly Outrigger[];
}

const stops: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const stop of stops.splice(0).toReversed()) await stop();
});

async function startSite(): Promise<Site> {
  const [kafka, redis, s3] = await Promise.all([
    startKafka({ brokers: 3 }),
    startRedis(),
    startS3(),
  ]);
  stops.push(
    async () => kafka.stop(),
    async () => redis.stop(),
    async () => s3.stop(),
  );
  const cut = await CutS3.start(s3.endpoint);
  stops.push(async () => cut.stop());
  const members = [];
  for (const id of [0, 1]) {
    const member = await startOutrigger({
      kafkaBootstrap: kafka.bootstrap,
      redisUrl: redis.url,
      storeUrl: `s3://${s3.bucket}/random`,
      configs: {
        'member.id': id,
        'store.s3.endpoint': cut.endpoint,
        'store.s3.path.style': true,
        'store.s3.access.key.id': s3.accessKeyId,
        'store.s3.secret.access.key': s3.secretAccessKey,
        'store.request.timeout.ms': 1_000,
        // Real batches and placeholders in one log.
        'store.failure.policy': id === 0 ? 'error' : 'passthrough',
        'produce.timeout.ms': 3_000,
        'wal.min.bytes': 0,
        'wal.linger.ms': 50,
      },
    });
    stops.push(async () => member.stop());
    members.push(member);
  }
  return { kafka, redis, s3, cut, members };
}

/** Breaks something and repairs it; `goOn` waits for clients in between. */
type Fault = (site: Site, pick: <T>(of: readonly T[]) => T, goOn: Wait) => Promise<void>;
type Wait = () => Promise<void>;

const TROUBLES: readonly Trouble[] = [
  { kind: 'refuse' },
  { kind: 'cut' },
  { kind: 'silence' },
  { kind: 'delay', ms: 300 },
  { kind: 'lose-answers' },
];

const FAULTS: Readonly<Record<string, Fault>> = {
  'a member is killed': async ({ members }, pick) => {
    const member = pick(members);
    await member.kill();
    await member.start();
  },
  'a member is killed with uploads held back': async ({ members, cut }, pick) => {
    const member = pick(members);
    cut.trouble = { kind: 'hold', what: pick(['requests', 'answers']) };
    await cut.held(1);
    await member.kill();
    cut.trouble = { kind: 'none' };
    await member.start();
  },
  'a member stays away for a while': async ({ members }, pick, goOn) => {
    const member = pick(members);
    await pick([async () => member.stop(), async () => member.kill()])();
    await goOn();
    await member.start();
  },
  'a broker is killed': async ({ kafka }, pick, goOn) => {
    const broker = pick(kafka.brokers);
    await broker.kill();
    await goOn();
    await broker.start();
  },
  'a broker is restarted': async ({ kafka }, pick) => {
    const broker = pick(kafka.brokers);
    await broker.stop();
    await broker.start();
  },
  'Redis comes back empty': async ({ redis }, _pick, goOn) => {
    await redis.kill();
    await goOn();
    await redis.start();
  },
  'Redis hangs': async ({ redis }, _pick, goOn) => {
    const pid = Number(/process_id:(\d+)/.exec(await redisCommand(redis.port, 'INFO server'))?.[1]);
    process.kill(pid, 'SIGSTOP');
    await goOn();
    process.kill(pid, 'SIGCONT');
  },
  'the store has troubles': async ({ cut, members }, pick) => {
    cut.trouble = pick(TROUBLES);
    // As long as it takes members to notice, one of them being restarted meanwhile or not.
    const isRestarted = pick([true, false]);
    const member = pick(members);
    if (isRestarted) await member.kill();
    await new Promise((resolve) => setTimeout(resolve, 4_000));
    cut.trouble = { kind: 'none' };
    if (isRestarted) await member.start();
  },
};

async function run(options: Partial<WorkloadOptions>): Promise<Workload> {
  const site = await startSite();
  const bootstrap = site.members.map((member) => member.bootstrap).join(',');
  const configs = { 'min.insync.replicas': '2' };
  const [first] = site.members;
  if (first === undefined) throw new Error('no member runs');
  const topic = await createTopic(first.bootstrap, {
    partitions: PARTITIONS,
    replicationFactor: 3,
    configs,
  });
  const workload = Workload.start({ bootstrap, topic, partitions: PARTITIONS, ...options });
  stops.push(async () => workload.abandon());
  onTestFailed(() => console.log(workload.history.summary(), workload.history.complaints));
  const goOn = async (): Promise<void> => {
    await workload.acks(RECORDS_BETWEEN);
    await workload.reads(RECORDS_BETWEEN);
  };
  const random = seededRandom(SEED);
  const pick = <T>(of: readonly T[]): T => {
    const picked = of[Math.floor(random() * of.length)];
    if (picked === undefined) throw new Error('nothing to pick from');
    return picked;
  };
  await goOn();
  for (let round = 1; round <= ROUNDS; round++) {
    const name = pick(Object.keys(FAULTS));
    console.log(`round ${round}: ${name}; ${workload.history.summary()}`);
    await FAULTS[name]?.(site, pick, goOn);
    await goOn();
  }
  const history = await workload.finish();
  const again = await workload.readAgain();
  expect(history.differences(again)).toEqual([]);
  for (const member of site.members) {
    const alarms = (await logOf(member)).filter(({ level }) => level > LEVEL_ERROR);
    expect(alarms).toEqual([]);
  }
  return workload;
}

test(`idempotent producers lose and repeat nothing (seed ${SEED})`, async () => {
  const { history } = await run({});
  expect(history.faults()).toEqual([]);
  expect(history.failures).toEqual([]);
  expect(history.consumerErrors).toEqual([]);
});

test(`transactions stay whole (seed ${SEED})`, async () => {
  const { history } = await run({ transactions: { id: `faults-${SEED}`, seed: SEED } });
  expect(history.transactionFaults()).toEqual([]);
  expect(history.transactions.length).toBeGreaterThan(ROUNDS);
});
