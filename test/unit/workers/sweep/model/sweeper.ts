/** The sweeper, a step at a time. The decision is the real one. */
import {
  decideSweep,
  type FileFacts,
  type PartitionFact,
} from '../../../../../workers/sweep/sweep-rule.ts';
import { settled } from './members.ts';
import { numberOf, type Scenario } from './scenario.ts';
import {
  at,
  IDLE_SWEEPER,
  replaced,
  type Counted,
  type State,
  type Step,
  type WalFile,
} from './state.ts';

const TIMES = { marginMs: 1, unsettledMs: 10, absentMs: 10 };
const SHORT = [5];
const LONG = [10];

export function* sweeperSteps(state: State, scenario: Scenario): Generator<Step> {
  const { sweeper } = state;
  const idle: State = { ...state, sweeper: IDLE_SWEEPER };
  const step = (label: string, next: State): Step => {
    return { label: `sweeper: ${label}`, next, isFault: false };
  };
  switch (sweeper.at) {
    case 'idle':
      yield* askRedis(state, scenario);
      return;
    case 'asked-redis':
      yield* decide(state, scenario);
      yield { ...step('dies', idle), isFault: true };
      return;
    case 'decided': {
      const file = at(state.files, sweeper.file);
      const gone: WalFile = {
        object: 'deleted',
        request: typeof file.request === 'number' ? file.request : 'dropped',
        member: 'gone',
        isOld: false,
      };
      const files = replaced(state.files, sweeper.file, gone);
      const redis = state.redis.map((each) => {
        return { ...each, records: replaced(each.records, sweeper.file, 'unknown' as const) };
      });
      yield step(`deletes file ${sweeper.file}`, { ...idle, files, redis });
      yield { ...step('dies', idle), isFault: true };
    }
  }
}

function* askRedis(state: State, scenario: Scenario): Generator<Step> {
  const { bug } = scenario;
  for (const [file, { object, isOld }] of state.files.entries()) {
    if (object !== 'there') continue;
    for (const [master, { records, counting }] of state.redis.entries()) {
      const record = at(records, file);
      const isEarly = bug === 'do not wait for what is not settled';
      if (typeof record === 'string' && !isOld && !isEarly) continue;
      const countingIn = counting.range;
      const next = { ...state, sweeper: { at: 'asked-redis' as const, file, record, countingIn } };
      if (!isRedisSteady(scenario)) {
        const label = `sweeper: asks Redis ${master} of file ${file}`;
        yield { label, next, isFault: false };
      } else yield* decide(next, scenario);
    }
  }
}

/** Then nothing can happen between a question to Redis and the decision that would not before. */
function isRedisSteady({ budget }: Scenario): boolean {
  return (budget.redisFaults ?? 0) + (budget.redisForks ?? 0) === 0;
}

function* decide(state: State, scenario: Scenario): Generator<Step> {
  const { bug } = scenario;
  const { file, record, countingIn } = state.sweeper;
  const isOld = at(state.files, file).isOld || bug === 'do not wait for what is not settled';
  for (const topic of new Set([state.topic, state.topicView])) {
    const asOf = topic === 0 ? null : asOfNow(state, topic);
    const facts: FileFacts = {
      settledNumber: typeof record === 'string' ? undefined : numberOf(record) + shift(bug),
      countingIn: bug === 'compare the numbers of any two ranges' ? asOf?.range : countingIn,
      agesMs: isOld ? LONG : SHORT,
      partitions: [factOf(state, topic, scenario)],
    };
    const verdict = decideSweep(facts, TIMES);
    const label = `sweeper: will ${verdict.kind} file ${file}`;
    if (verdict.kind === 'delete') {
      const next = { ...state, sweeper: { ...state.sweeper, at: 'decided' as const } };
      yield { label, next, isFault: false };
    } else if (verdict.kind === 'abandon') {
      for (const master of state.redis.keys()) {
        const next = { ...settled(state, file, master), sweeper: IDLE_SWEEPER };
        yield { label: `${label} at Redis ${master}`, next, isFault: false };
      }
    } else if (state.sweeper.at === 'asked-redis') {
      yield { label, next: { ...state, sweeper: IDLE_SWEEPER }, isFault: false };
    }
  }
}

function factOf(state: State, topic: number, { bug }: Scenario): PartitionFact {
  if (topic === 0) {
    if (bug === 'one broker denies a topic') return { kind: 'absent', forMs: LONG };
    const isDenied = state.topic === 0 && state.topicView === 0;
    if (!isDenied) return { kind: 'unknown' };
    return { kind: 'absent', forMs: state.isLongGone ? LONG : SHORT };
  }
  const { known } = at(state.journals, topic - 1);
  if (known === null && bug === 'forget a partition that was never merged') {
    return { kind: 'absent', forMs: LONG };
  }
  const asOf = asOfNow(state, topic);
  return { kind: 'present', asOf: asOf === null ? null : numberOf(asOf) };
}

function asOfNow(state: State, topic: number): Counted | null {
  return topic === 0 ? null : (at(state.journals, topic - 1).known?.asOf ?? null);
}

function shift(bug: Scenario['bug']): number {
  if (bug === 'as of, but for one file') return -1;
  return bug === 'as of, and one more' ? 1 : 0;
}
