/**
 * Merge workers, a step at a time: what lies between two steps, the cluster may use. The decision
 * that a sample counts is the real one.
 */
import { provesAsOf } from '../../../../../workers/sweep/sample-rule.ts';
import { numberOf, type Scenario } from './scenario.ts';
import {
  at,
  IDLE_WORKER,
  isSameEntry,
  leaderIn,
  replaced,
  type JournalPartition,
  type Replica,
  type State,
  type Step,
  type Worker,
} from './state.ts';

type Known = NonNullable<JournalPartition['known']>;

export function* workerSteps(state: State, scenario: Scenario): Generator<Step> {
  for (const [index, worker] of state.workers.entries()) {
    const is = (next: Worker): State => {
      return { ...state, workers: replaced(state.workers, index, next) };
    };
    for (const { label, next } of stepsAtOnce(state, index, scenario)) {
      yield { label: `worker ${index}: ${label}`, next, isFault: false };
    }
    if (worker.at !== 'idle') {
      yield { label: `worker ${index}: dies`, next: is(IDLE_WORKER), isFault: true };
    }
  }
}

type Make = (next: Worker) => State;
type Plain = Omit<Step, 'isFault'>;

/**
 * One step, or, where nothing that matters could come in between, all from the sample to the
 * commit.
 */
function* stepsAtOnce(state: State, index: number, scenario: Scenario): Generator<Plain> {
  const worker = at(state.workers, index);
  const is = (next: Worker): State => {
    return { ...state, workers: replaced(state.workers, index, next) };
  };
  for (const { label, next } of stepsOf(state, worker, is, scenario)) {
    const reached = at(next.workers, index).at;
    const goesOn = reached !== 'idle' && reached !== 'counted' && worker.at !== 'read';
    if (goesOn && isUndisturbed(scenario)) yield* stepsAtOnce(next, index, scenario);
    else yield { label, next };
  }
}

function isUndisturbed({ workers, budget, bug }: Scenario): boolean {
  const isAlone = workers === 1 && bug !== 'count after the sample';
  return isAlone && (budget.elections ?? 0) + (budget.deletions ?? 0) === 0;
}

function* stepsOf(state: State, worker: Worker, is: Make, scenario: Scenario): Generator<Plain> {
  switch (worker.at) {
    case 'idle':
      yield* begin(state, is, scenario);
      return;
    case 'counted':
      yield* sample(state, worker, is, scenario);
      return;
    case 'sampled':
      yield confirm(state, worker, is, scenario);
      return;
    case 'confirmed':
      yield read(state, worker, is, scenario);
      return;
    case 'read':
      yield* commit(state, worker, is, scenario);
  }
}

function* begin(state: State, is: Make, { bug }: Scenario): Generator<Plain> {
  for (const topic of new Set([state.topic, state.topicView])) {
    if (topic === 0) continue;
    const { version } = at(state.journals, topic - 1);
    for (const [master, { counting }] of state.redis.entries()) {
      const count = bug === 'count after the sample' ? null : counting;
      const next = is({ ...IDLE_WORKER, at: 'counted', topic, version, count });
      yield { label: `counts at Redis ${master}`, next };
    }
  }
}

function* sample(state: State, worker: Worker, is: Make, { bug }: Scenario): Generator<Plain> {
  if (state.topic === 0) {
    yield { label: 'finds no topic', next: is(IDLE_WORKER) };
    return;
  }
  for (const leaderEpoch of new Set(state.views)) {
    for (const [broker, { log, highWatermark }] of state.replicas.entries()) {
      const isLeader = leaderIn(leaderEpoch) === broker && state.views[broker] === leaderEpoch;
      if (!isLeader && bug !== 'sample any replica') continue;
      const endOffset = bug === 'sample the high watermark' ? highWatermark : log.length;
      const count = worker.count ?? { range: 0, count: 0 };
      const taken = { count, leaderEpoch, endOffset };
      const next = is({ ...worker, at: 'sampled', sample: taken });
      yield { label: `samples ${endOffset} of broker ${broker}`, next };
    }
  }
}

function confirm(state: State, worker: Worker, is: Make, { bug }: Scenario): Plain {
  const { views, topic, topicView } = state;
  const { sample } = worker;
  if (sample === null) throw new Error('nothing to confirm');
  const votes = views.filter((view) => view === sample.leaderEpoch).length;
  const needed = bug === 'believe a deposed leader' ? 0 : bug === 'believe a majority' ? 2 : 3;
  const isNamed = [topic, topicView].every((id) => id === worker.topic);
  if (votes < needed || (!isNamed && bug !== 'go by the name alone')) {
    return { label: 'is not sure', next: is(IDLE_WORKER) };
  }
  const count = worker.count ?? at(state.redis, state.redis.length - 1).counting;
  return {
    label: 'is sure',
    next: is({ ...worker, at: 'confirmed', sample: { ...sample, count } }),
  };
}

function read(state: State, worker: Worker, is: Make, { bug }: Scenario): Plain {
  const { sample, topic, version } = worker;
  const journal = at(state.journals, topic - 1);
  const isNamed = state.topic === topic || (bug === 'go by the name alone' && state.topic !== 0);
  if (sample === null || journal.version !== version || !isNamed) {
    return { label: 'gives up', next: is(IDLE_WORKER) };
  }
  const broker = leaderIn(sample.leaderEpoch);
  if (state.views[broker] !== sample.leaderEpoch) {
    return { label: 'has no leader', next: is(IDLE_WORKER) };
  }
  const replica = at(state.replicas, broker);
  const known = journal.known ?? { start: state.startOffset ?? 0, merged: [], asOf: null };
  const shared = sharedLength(known, replica);
  if (shared < known.merged.length && bug !== 'read on without looking back') {
    const kept = bug === 'cut more than was lost' ? Math.max(0, shared - 1) : shared;
    const cut = { ...known, merged: known.merged.slice(0, kept), asOf: null };
    const next = is(IDLE_WORKER);
    return { label: 'cuts', next: { ...next, journals: withKnown(state, worker, cut) } };
  }
  const cursor = known.start + known.merged.length;
  const batches = replica.log.slice(cursor, replica.highWatermark);
  if (batches.some(({ file }) => state.files[file]?.object !== 'there')) {
    return { label: 'finds no file', next: is(IDLE_WORKER) };
  }
  const next = is({ ...worker, at: 'read', batches, readEpoch: sample.leaderEpoch });
  return { label: `reads ${batches.length}`, next };
}

/** How many of the merged batches the log still has; what lies above its end is lost. */
function sharedLength({ start, merged }: Known, { log }: Replica): number {
  const lost = merged.findIndex((entry, index) => !isSameEntry(entry, log[start + index]));
  return lost === -1 ? merged.length : lost;
}

function* commit(state: State, worker: Worker, is: Make, scenario: Scenario): Generator<Plain> {
  const { sample, topic, version, batches, readEpoch } = worker;
  const journal = at(state.journals, topic - 1);
  const isFree = journal.version === version || scenario.bug === 'commit over another worker';
  if (sample === null || !isFree) {
    yield { label: 'loses', next: is(IDLE_WORKER) };
    return;
  }
  const known = journal.known ?? { start: state.startOffset ?? 0, merged: [], asOf: null };
  const merged = [...known.merged, ...batches];
  const taken = {
    count: numberOf(sample.count),
    leaderEpoch: sample.leaderEpoch,
    endOffset: BigInt(sample.endOffset),
  };
  const upTo = {
    cursor: BigInt(known.start + merged.length),
    leaderEpoch: readEpoch ?? undefined,
  };
  const isProven = provesAsOf(taken, upTo, known.asOf === null ? null : numberOf(known.asOf));
  const asOf = isProven ? sample.count : known.asOf;
  const isSame = JSON.stringify(asOf) === JSON.stringify(known.asOf);
  const isEmpty = batches.length === 0 && isSame && journal.known !== null;
  const journals = isEmpty ? state.journals : withKnown(state, worker, { ...known, merged, asOf });
  const label = isProven ? 'commits, as of' : 'commits';
  yield { label, next: { ...is(IDLE_WORKER), journals } };
  if (isProven) return;
  const carried: Worker = {
    ...worker,
    at: 'confirmed',
    version: at(journals, topic - 1).version,
    batches: [],
    readEpoch: null,
  };
  yield { label: 'commits, keeps the sample', next: { ...is(carried), journals } };
}

function withKnown(state: State, worker: Worker, known: Known): readonly JournalPartition[] {
  const by = { version: worker.version + 1, known };
  return replaced(state.journals, worker.topic - 1, by);
}
