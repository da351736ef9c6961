/** Members write files and forward placeholders; some stall, some die, some are cut off. */
import type { Scenario } from './scenario.ts';
import {
  at,
  leaderIn,
  replaced,
  type Redis,
  type State,
  type Step,
  type WalFile,
} from './state.ts';

export function* memberSteps(state: State, scenario: Scenario): Generator<Step> {
  for (const [index, file] of state.files.entries()) {
    const is = (change: Partial<WalFile>): State => {
      return { ...state, files: replaced(state.files, index, { ...file, ...change }) };
    };
    const step = (what: string, next: State, isFault = false): Step => {
      return { label: `file ${index}: ${what}`, next, isFault };
    };
    if (file.object === 'none') {
      // All members are alike: files come in the order of their numbers.
      const isNext = index === 0 || state.files[index - 1]?.object !== 'none';
      if (!isNext) continue;
      if (scenario.isBrisk === true) yield* appendAtOnce(state, index);
      else yield step('uploaded', announced(is({ object: 'there' }), index), true);
      continue;
    }
    if (file.object === 'deleted' && typeof file.request !== 'number') continue;
    yield* requestSteps(state, file, is, step);
    if (file.member === 'answered') {
      for (const master of state.redis.keys()) {
        const next = settled(is({ member: 'gone' }), index, master);
        yield step(`settled at Redis ${master}`, next);
      }
    }
    const { deaths, cutConnections } = state.budget;
    if (deaths > 0 && file.member !== 'gone') {
      const budget = { ...state.budget, deaths: deaths - 1 };
      yield step('its member dies', { ...is({ member: 'gone' }), budget }, true);
    }
    const isUnderWay = typeof file.request === 'number' || file.request === 'appended';
    if (cutConnections > 0 && file.member === 'waiting' && isUnderWay) {
      const budget = { ...state.budget, cutConnections: cutConnections - 1 };
      yield step('its connection is cut off', { ...is({ member: 'gone' }), budget }, true);
    }
    const isLate = scenario.lifted === 'no append after unsettled.ms';
    const isSettled = state.redis.every(({ records }) => typeof records[index] === 'object');
    if (!file.isOld && !isSettled && (isLate || typeof file.request !== 'number')) {
      yield step('is old', is({ isOld: true }));
    }
  }
}

function* appendAtOnce(state: State, index: number): Generator<Step> {
  for (const [broker, replica] of state.replicas.entries()) {
    if (!leads(state, broker) || state.topic === 0) continue;
    const entry = { file: index, epoch: at(state.views, broker) };
    const by = { ...replica, log: [...replica.log, entry] };
    const file: WalFile = { object: 'there', request: 'appended', member: 'gone', isOld: false };
    const files = replaced(state.files, index, file);
    const replicas = replaced(state.replicas, broker, by);
    for (const master of state.redis.keys()) {
      const next = settled(announced({ ...state, files, replicas }, index), index, master);
      yield { label: `file ${index}: appended by ${broker} and settled`, next, isFault: true };
    }
  }
}

function* requestSteps(
  state: State,
  file: WalFile,
  is: (change: Partial<WalFile>) => State,
  step: (what: string, next: State, isFault?: boolean) => Step,
): Generator<Step> {
  const { request, member } = file;
  const index = state.files.indexOf(file);
  if (request === 'unsent' && member === 'waiting' && !file.isOld && state.isMarked) {
    for (const broker of [0, 1]) {
      if (leads(state, broker)) yield step(`forwarded to ${broker}`, is({ request: broker }));
    }
  }
  if (typeof request === 'number') {
    if (leads(state, request) && state.topic !== 0) {
      const replica = at(state.replicas, request);
      const entry = { file: index, epoch: at(state.views, request) };
      const log = [...replica.log, entry];
      const replicas = replaced(state.replicas, request, { ...replica, log });
      yield step(`appended by ${request}`, { ...is({ request: 'appended' }), replicas });
    }
    yield step('refused, or lost', is({ request: 'dropped' }));
  }
  const hasAnswer = request === 'appended' || request === 'dropped';
  if (hasAnswer && member === 'waiting') yield step('answered', is({ member: 'answered' }));
}

/** Whether a broker takes produce requests: it believes so. */
function leads(state: State, broker: number): boolean {
  return leaderIn(at(state.views, broker)) === broker;
}

function announced(state: State, file: number): State {
  const redis = state.redis.map((each) => {
    return { ...each, records: replaced(each.records, file, 'unsettled' as const) };
  });
  return { ...state, redis };
}

/** @returns the state in which a file has a number; one that has a number keeps it */
export function settled(state: State, file: number, master: number): State {
  const redis = at(state.redis, master);
  if (typeof at(redis.records, file) === 'object') return state;
  const counting = { ...redis.counting, count: redis.counting.count + 1 };
  const by: Redis = { counting, records: replaced(redis.records, file, counting) };
  return { ...state, redis: replaced(state.redis, master, by) };
}
