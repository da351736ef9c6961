/**
 * Visits every state that a scenario can reach, breadth first, so that what is found comes with one
 * of the shortest ways to it. Checks that nothing is lost in any of them, and that from each of
 * them everything can come to its end without further faults.
 */
import { brokerSteps, redisSteps, topicSteps } from './brokers.ts';
import { memberSteps } from './members.ts';
import { initialState, type Scenario } from './scenario.ts';
import { at, isSameEntry, leaderIn, type State, type Step } from './state.ts';
import { sweeperSteps } from './sweeper.ts';
import { workerSteps } from './workers.ts';

/** Scenarios are made to stay far below. */
const STATES_MAX = 1_000_000;

export interface Exploration {
  readonly states: number;
  readonly finding:
    | undefined
    /** A consumer can reach a batch whose bytes are gone. */
    | { readonly kind: 'lost'; readonly trace: readonly string[] }
    /** A file will never go. */
    | { readonly kind: 'stuck'; readonly trace: readonly string[] };
}

interface Visited {
  readonly parent: number;
  readonly label: string;
}

export function explore(scenario: Scenario): Exploration {
  const numbers = new Map<string, number>();
  const visited: Visited[] = [];
  /** By state: those that reach it by a step that is no fault. */
  const before: number[][] = [];
  const ended: number[] = [];
  let frontier: [number, State][] = [];
  const visit = (state: State, parent: number, label: string): number => {
    const key = JSON.stringify(state);
    const known = numbers.get(key);
    if (known !== undefined) return known;
    const number = visited.length;
    numbers.set(key, number);
    visited.push({ parent, label });
    before.push([]);
    if (hasEnded(state)) ended.push(number);
    frontier.push([number, state]);
    return number;
  };
  visit(initialState(scenario), -1, 'start');
  while (frontier.length > 0) {
    const states = frontier;
    frontier = [];
    for (const [number, state] of states) {
      if (isLost(state)) {
        return { states: visited.length, finding: { kind: 'lost', trace: way(visited, number) } };
      }
      for (const { label, next, isFault } of steps(state, scenario)) {
        const reached = visit(next, number, label);
        if (!isFault) before[reached]?.push(number);
      }
    }
    if (visited.length > STATES_MAX) throw new Error('the scenario is too large');
  }
  const stuck = firstNotBefore(ended, before);
  const finding =
    stuck === undefined ? undefined : ({ kind: 'stuck', trace: way(visited, stuck) } as const);
  return { states: visited.length, finding };
}

function* steps(state: State, scenario: Scenario): Generator<Step> {
  yield* memberSteps(state, scenario);
  yield* brokerSteps(state, scenario);
  yield* topicSteps(state, scenario);
  yield* redisSteps(state, scenario);
  yield* workerSteps(state, scenario);
  yield* sweeperSteps(state, scenario);
}

/** Whether the log that consumers read has a batch that is neither in its file nor merged. */
function isLost(state: State): boolean {
  if (state.topic === 0) return false;
  const { log } = at(state.replicas, leaderIn(state.epoch));
  const { known } = at(state.journals, state.topic - 1);
  return log.some((entry, offset) => {
    if (state.files[entry.file]?.object === 'there') return false;
    const merged = known?.merged[offset - known.start];
    return !isSameEntry(entry, merged);
  });
}

function hasEnded(state: State): boolean {
  return state.files.every(({ object }) => object !== 'there');
}

/** @returns the first state from which none of the ends can be reached */
function firstNotBefore(
  ends: readonly number[],
  before: readonly (readonly number[])[],
): number | undefined {
  const canEnd = new Uint8Array(before.length);
  const open = [...ends];
  for (const end of ends) canEnd[end] = 1;
  for (let state = open.pop(); state !== undefined; state = open.pop()) {
    for (const earlier of before[state] ?? []) {
      if (canEnd[earlier] === 1) continue;
      canEnd[earlier] = 1;
      open.push(earlier);
    }
  }
  const stuck = canEnd.indexOf(0);
  return stuck === -1 ? undefined : stuck;
}

function way(visited: readonly Visited[], to: number): readonly string[] {
  const labels: string[] = [];
  for (let state = to; state > 0; state = at(visited, state).parent) {
    labels.unshift(at(visited, state).label);
  }
  return labels;
}
