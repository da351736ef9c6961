/**
 * An object store that is slow, refuses, is cut off or loses its answers, under both failure
 * policies: order and idempotence are kept, and everything drains when it is back.
 */
import { afterAll, afterEach, beforeAll, expect, inject, onTestFailed, test, vi } from 'vitest';
import { type Outrigger, startOutrigger } from '../../docker/local/outrigger.ts';
import { type S3, startS3 } from '../../docker/local/s3.ts';
import { CutS3, type Trouble } from '../faults/support/cut-s3.ts';
import { createTopic, logOf, placeholders } from '../faults/support/site.ts';
import { Workload } from '../faults/support/workload.ts';

const PATIENCE = { timeout: 60_000, interval: 100 } as const;

let s3: S3;
let cut: CutS3;
/** By `store.failure.policy`. */
const members = new Map<string, Outrigger>();
let running: Workload | undefined;

beforeAll(async () => {
  s3 = await startS3();
  cut = await CutS3.start(s3.endpoint);
  for (const policy of ['error', 'passthrough']) members.set(policy, await startMember(policy));
});

afterEach(async () => {
  cut.trouble = { kind: 'none' };
  await running?.abandon();
  running = undefined;
});

afterAll(async () => {
  await Promise.all([...members.values()].map(async (member) => member.stop()));
  await cut.stop();
  await s3.stop();
});

async function startMember(policy: string): Promise<Outrigger> {
  return startOutrigger({
    kafkaBootstrap: inject('kafka').bootstrap,
    storeUrl: `s3://${s3.bucket}/faults`,
    configs: {
      'store.failure.policy': policy,
      'store.s3.endpoint': cut.endpoint,
      'store.s3.path.style': true,
      'store.s3.access.key.id': s3.accessKeyId,
      'store.s3.secret.access.key': s3.secretAccessKey,
      'store.request.timeout.ms': 1_000,
      'produce.timeout.ms': 3_000,
      'wal.min.bytes': 0,
      'wal.linger.ms': 50,
    },
  });
}

interface Running {
  readonly member: Outrigger;
  readonly topic: string;
  readonly workload: Workload;
}

async function start(policy: string): Promise<Running> {
  const member = members.get(policy);
  if (member === undefined) throw new Error(`no member has the policy ${policy}`);
  const topic = await createTopic(member.bootstrap);
  const workload = Workload.start({ bootstrap: member.bootstrap, topic });
  running = workload;
  onTestFailed(() => console.log(workload.history.summary(), workload.history.complaints));
  await workload.reads(30);
  return { member, topic, workload };
}

async function expectNothingLost({ workload }: Running): Promise<void> {
  const history = await workload.finish();
  expect(history.faults()).toEqual([]);
  expect(history.failures).toEqual([]);
  expect(history.consumerErrors).toEqual([]);
  const again = await workload.readAgain();
  expect(history.differences(again)).toEqual([]);
}

/** Waits for that many more lines of the member's log. */
async function logged(member: Outrigger, message: RegExp, seenBefore: number): Promise<void> {
  await vi.waitFor(async () => {
    expect(await countLogged(member, message)).toBeGreaterThan(seenBefore);
  }, PATIENCE);
}

async function countLogged(member: Outrigger, message: RegExp): Promise<number> {
  return (await logOf(member)).filter(({ msg }) => message.test(msg)).length;
}

const OUTAGES: readonly Trouble[] = [{ kind: 'refuse' }, { kind: 'cut' }, { kind: 'silence' }];

test('producers wait out outages of every kind, and nothing is lost', async () => {
  const run = await start('error');
  const { member, topic, workload } = run;
  for (const trouble of OUTAGES) {
    const failing = await countLogged(member, /does not take writes/);
    const working = await countLogged(member, /takes writes again/);
    cut.trouble = trouble;
    await logged(member, /does not take writes/, failing);
    cut.trouble = { kind: 'none' };
    await logged(member, /takes writes again/, working);
    await workload.acks(30);
  }
  await expectNothingLost(run);
  const batches = await placeholders(inject('kafka').bootstrap, topic);
  expect(batches.filter((isPlaceholder) => !isPlaceholder)).toEqual([]);
});

test('with passthrough batches go on as they are while the store is away, and only then', async () => {
  const run = await start('passthrough');
  const { member, topic, workload } = run;
  const working = await countLogged(member, /takes writes again/);
  cut.trouble = { kind: 'cut' };
  await logged(member, /does not take writes/, 0);
  await workload.acks(50);
  await workload.reads(50);
  cut.trouble = { kind: 'none' };
  await logged(member, /takes writes again/, working);
  await workload.acks(50);
  await expectNothingLost(run);
  const batches = await placeholders(inject('kafka').bootstrap, topic);
  const kinds = batches.map((isPlaceholder) => (isPlaceholder ? 'placeholder' : 'real'));
  const changes = kinds.filter((kind, index) => kind !== kinds[index - 1]);
  expect(changes.slice(0, 3)).toEqual(['placeholder', 'real', 'placeholder']);
});

test('a slow store, and one whose answers get lost, cost time but no record', async () => {
  const run = await start('error');
  const { workload } = run;
  cut.trouble = { kind: 'delay', ms: 400 };
  await workload.acks(60);
  cut.trouble = { kind: 'lose-answers' };
  await cut.lost(3);
  cut.trouble = { kind: 'none' };
  await workload.acks(30);
  await expectNothingLost(run);
});
