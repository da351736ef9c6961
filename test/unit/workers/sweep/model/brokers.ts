/** Brokers replicate and elect; topics and Redis come, go and forget. */
import type { Scenario } from './scenario.ts';
import { at, isSameEntry, leaderIn, replaced, type State, type Step } from './state.ts';

export function* brokerSteps(state: State, scenario: Scenario): Generator<Step> {
  const { epoch, views, replicas, budget } = state;
  const leader = leaderIn(epoch);
  const follower = 1 - leader;
  const led = at(replicas, leader);
  const knows = at(views, follower) === epoch;
  const following = at(replicas, follower);
  const matters = (scenario.budget.elections ?? 0) > 0;
  if (matters && knows && JSON.stringify(following.log) !== JSON.stringify(led.log)) {
    const by = { ...following, log: led.log };
    yield step('the follower fetches', { ...state, replicas: replaced(replicas, follower, by) });
  }
  if (led.highWatermark < led.log.length) {
    const by = { ...led, highWatermark: led.log.length };
    yield step('the high watermark rises', { ...state, replicas: replaced(replicas, leader, by) });
  }
  for (const [broker, view] of views.entries()) {
    if (view === epoch) continue;
    const next = { ...state, views: replaced(views, broker, epoch) };
    yield step(`broker ${broker} learns of epoch ${epoch}`, next);
  }
  if (budget.elections > 0) yield* elections(state, scenario);
}

function* elections(state: State, scenario: Scenario): Generator<Step> {
  const { epoch, views, replicas, budget } = state;
  const led = at(replicas, leaderIn(epoch));
  const next = leaderIn(epoch + 1);
  const elected = at(replicas, next);
  const isUnclean = elected.log.length < led.highWatermark;
  if (isUnclean && budget.uncleanElections === 0) return;
  const isPrefix = elected.log.every((entry, index) => isSameEntry(entry, led.log[index]));
  if (!isPrefix && scenario.lifted !== 'what was lost stays lost') return;
  const highWatermark = Math.min(elected.log.length, led.highWatermark);
  yield {
    label: `broker ${next} is elected${isUnclean ? ', unclean' : ''}`,
    isFault: true,
    next: {
      ...state,
      epoch: epoch + 1,
      views: replaced(views, next, epoch + 1),
      replicas: replaced(replicas, next, { ...elected, highWatermark }),
      budget: {
        ...budget,
        elections: budget.elections - 1,
        uncleanElections: budget.uncleanElections - (isUnclean ? 1 : 0),
      },
    },
  };
}

export function* topicSteps(state: State, { bug }: Scenario): Generator<Step> {
  const { topic, topicView, budget } = state;
  const replicas = state.replicas.map(() => ({ log: [], highWatermark: 0 }));
  if (topic === 1 && budget.deletions > 0) {
    const next = { ...state, topic: 0, replicas };
    yield fault('the topic is deleted', {
      ...next,
      budget: { ...budget, deletions: budget.deletions - 1 },
    });
  }
  if (topic === 0) {
    const next = { ...state, topic: 2, startOffset: 0, replicas, isLongGone: false };
    yield fault('a topic of the name is created', next);
    if (topicView === 0 && !state.isLongGone) {
      yield step('it has been gone for a day', { ...state, isLongGone: true });
    }
  }
  if (topicView !== topic) {
    yield step('the third broker learns of it', { ...state, topicView: topic });
  }
  if (budget.marks > 0) {
    const spent = { ...budget, marks: budget.marks - 1 };
    const end = at(state.replicas, leaderIn(state.epoch)).log.length;
    const isNew = state.startOffset === null || bug === 'begin anew when a topic is marked again';
    const startOffset = state.isMarked || !isNew ? state.startOffset : end;
    const next = { ...state, isMarked: !state.isMarked, startOffset, budget: spent };
    yield fault(state.isMarked ? 'made classic' : 'marked', next);
  }
}

export function* redisSteps(state: State, { bug }: Scenario): Generator<Step> {
  const { redis, budget } = state;
  const last = redis.length - 1;
  const master = at(redis, last);
  const range = Math.max(...redis.map(({ counting }) => counting.range)) + 1;
  if (budget.redisFaults > 0) {
    const spent = { ...budget, redisFaults: budget.redisFaults - 1 };
    const { count } = master.counting;
    const again = { ...master.counting, count: Math.max(0, count - 1) };
    const counting = bug === 'count the same numbers again' ? again : { range, count: 0 };
    for (const [file, record] of master.records.entries()) {
      if (record === 'unknown') continue;
      for (const forgotten of ['unsettled', 'unknown'] as const) {
        if (record === forgotten) continue;
        const records = replaced(master.records, file, forgotten);
        const next = replaced(redis, last, { counting, records });
        yield fault(`Redis goes back: file ${file} is ${forgotten}`, {
          ...state,
          redis: next,
          budget: spent,
        });
      }
    }
  }
  if (budget.redisForks > 0) {
    const spent = { ...budget, redisForks: budget.redisForks - 1 };
    const promoted = { ...master, counting: { range, count: 0 } };
    yield fault('a replica is promoted, the master does not know', {
      ...state,
      redis: [...redis, promoted],
      budget: spent,
    });
  }
  if (redis.length > 1) {
    yield step('the old master follows', { ...state, redis: redis.slice(1) });
  }
}

function step(label: string, next: State): Step {
  return { label, next, isFault: false };
}

function fault(label: string, next: State): Step {
  return { label, next, isFault: true };
}
