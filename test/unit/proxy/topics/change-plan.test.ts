import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  type ChangePlan,
  CONFIG_OP,
  type ConfigOp,
  planChange,
  type TopicChange,
} from '../../../../proxy/topics/change-plan.ts';
import {
  type BrokerTopicConfigs,
  NOTHING_HELD,
  type TopicSettings,
  userValues,
} from '../../../../proxy/topics/upstream-configs.ts';

function set(name: string, value: string): ConfigOp {
  return { name, configOperation: CONFIG_OP.set, value };
}

function remove(name: string): ConfigOp {
  return { name, configOperation: CONFIG_OP.delete, value: null };
}

function ops(...list: ConfigOp[]): TopicChange {
  return { kind: 'operations', ops: list };
}

function replacement(values: Record<string, string>): TopicChange {
  return { kind: 'replacement', values: new Map(Object.entries(values)) };
}

function held(explicit: Record<string, string>, policyDefault = 'delete'): BrokerTopicConfigs {
  const defaults = new Map([['cleanup.policy', policyDefault]]);
  return { explicit: new Map(Object.entries(explicit)), defaults };
}

function settings(
  diskless: boolean,
  configs: Record<string, string> = {},
  mayHoldPlaceholders = diskless,
): TopicSettings {
  return { diskless, configs: new Map(Object.entries(configs)), mayHoldPlaceholders };
}

interface Given {
  readonly topic?: string;
  readonly settings?: TopicSettings;
  readonly held?: BrokerTopicConfigs;
  readonly disklessByDefault?: boolean;
}

function plan(change: TopicChange, given: Given = {}): ChangePlan {
  return planChange({
    topic: given.topic ?? 'orders',
    settings: given.settings,
    held: given.held ?? NOTHING_HELD,
    change,
    disklessByDefault: given.disklessByDefault ?? false,
  });
}

function planned(result: ChangePlan): Extract<ChangePlan, { kind: 'planned' }> {
  if (result.kind !== 'planned') throw new Error(`refused: ${result.errorMessage}`);
  return result;
}

function problemOf(result: ChangePlan): string {
  if (result.kind !== 'refused') throw new Error('it was not refused');
  expect(result.errorCode).toBe(40);
  return result.errorMessage;
}

function upstreamValues(result: ChangePlan): Record<string, string> {
  const { upstream } = planned(result);
  if (upstream.kind !== 'replacement') throw new Error('operations');
  return Object.fromEntries(upstream.values);
}

function upstreamOps(result: ChangePlan): Record<string, string | null> {
  const { upstream } = planned(result);
  if (upstream.kind !== 'operations') throw new Error('replacement');
  return Object.fromEntries(upstream.ops.map(({ name, value }) => [name, value]));
}

function kept(result: ChangePlan): Record<string, string> {
  return Object.fromEntries(planned(result).settings.configs);
}

test('a new diskless topic gets safe values upstream, and the user keeps his own', () => {
  const result = plan(
    replacement({
      'diskless.enable': 'TRUE',
      'retention.bytes': '1000',
      'compression.type': 'gzip',
      'cleanup.policy': 'compact',
      'retention.ms': '5000',
      'max.message.bytes': '77',
    }),
  );
  expect(upstreamValues(result)).toEqual({
    'retention.bytes': '-1',
    'compression.type': 'producer',
    'cleanup.policy': 'delete',
    'retention.ms': '-1',
    'max.message.bytes': '77',
  });
  expect(kept(result)).toEqual({
    'diskless.enable': 'true',
    'retention.bytes': '1000',
    'compression.type': 'gzip',
    'cleanup.policy': 'compact',
    'retention.ms': '5000',
  });
});

test('compact,delete keeps the retention time upstream', () => {
  const result = plan(
    replacement({
      'diskless.enable': 'true',
      'cleanup.policy': 'compact,delete',
      'retention.ms': '9',
    }),
  );
  expect(upstreamValues(result)).toMatchObject({ 'cleanup.policy': 'delete', 'retention.ms': '9' });
  expect(kept(result)).toEqual({ 'diskless.enable': 'true', 'cleanup.policy': 'compact,delete' });
});

test('a broker that compacts by default is told not to, and the record says who compacts', () => {
  const result = plan(replacement({ 'diskless.enable': 'true' }), { held: held({}, 'compact') });
  expect(upstreamValues(result)).toMatchObject({
    'cleanup.policy': 'delete',
    'retention.ms': '-1',
  });
  expect(kept(result)).toEqual({ 'diskless.enable': 'true', 'cleanup.policy': 'compact' });
});

test('an explicit false wins over diskless.topics and is kept', () => {
  const result = plan(replacement({ 'diskless.enable': 'false' }), { disklessByDefault: true });
  expect(planned(result).settings.diskless).toBe(false);
  expect(kept(result)).toEqual({ 'diskless.enable': 'false' });
  expect(upstreamValues(result)).toEqual({});
});

test('a new topic that matches diskless.topics is diskless without saying so', () => {
  const result = plan(replacement({}), { disklessByDefault: true });
  expect(planned(result).settings.diskless).toBe(true);
  expect(kept(result)).toEqual({});
});

test('a new topic with tiered storage stays classic whatever diskless.topics says', () => {
  const result = plan(replacement({ 'remote.storage.enable': 'true' }), {
    disklessByDefault: true,
  });
  expect(planned(result).settings.diskless).toBe(false);
  expect(upstreamValues(result)).toEqual({ 'remote.storage.enable': 'true' });
});

test('tiered storage and diskless exclude each other, whichever comes first', () => {
  const both = replacement({ 'remote.storage.enable': 'true', 'diskless.enable': 'true' });
  expect(problemOf(plan(both))).toContain('remote.storage.enable=true');
  const second = { held: held({ 'remote.storage.enable': 'true' }) };
  expect(problemOf(plan(ops(set('diskless.enable', 'true')), second))).toContain(
    'cannot have both',
  );
  const first = { settings: settings(true) };
  expect(problemOf(plan(ops(set('remote.storage.enable', 'true')), first))).toContain('both');
});

test('reserved names cannot be diskless', () => {
  const change = replacement({ 'diskless.enable': 'true' });
  expect(problemOf(plan(change, { topic: '__consumer_offsets' }))).toContain('reserved');
});

test('values that the broker will not see are refused in its words', () => {
  const cases: [string, string, string][] = [
    ['diskless.enable', 'yes', 'Expected value to be either true or false'],
    ['retention.bytes', 'lots', 'Not a number of type LONG'],
    ['retention.bytes', '9223372036854775808', 'Not a number of type LONG'],
    ['retention.ms', '-2', 'Value must be at least -1'],
    ['compression.type', 'rar', 'String must be one of: uncompressed, zstd, lz4'],
    ['cleanup.policy', 'delete,burn', 'String must be one of: compact, delete'],
  ];
  for (const [key, value, words] of cases) {
    const asSet = plan(ops(set(key, value)), { settings: settings(true) });
    expect(problemOf(asSet)).toContain(words);
    expect(problemOf(plan(replacement({ [key]: value }), { disklessByDefault: true }))).toBe(
      problemOf(asSet),
    );
  }
});

test('switching on takes the values that the broker had into the record', () => {
  const result = plan(ops(set('diskless.enable', 'true')), {
    held: held({ 'retention.bytes': '12', 'cleanup.policy': 'compact', 'segment.bytes': '1' }),
  });
  expect(upstreamOps(result)).toEqual({
    'cleanup.policy': 'delete',
    'compression.type': 'producer',
    'retention.bytes': '-1',
    'retention.ms': '-1',
  });
  expect(kept(result)).toEqual({
    'diskless.enable': 'true',
    'cleanup.policy': 'compact',
    'retention.bytes': '12',
  });
});

test('switching off gives the broker the values of the record back', () => {
  const result = plan(ops(set('diskless.enable', 'false')), {
    settings: settings(true, { 'diskless.enable': 'true', 'retention.bytes': '12' }),
    held: held({ 'retention.bytes': '-1', 'compression.type': 'producer', 'retention.ms': '7' }),
  });
  expect(upstreamOps(result)).toEqual({
    'cleanup.policy': null,
    'compression.type': null,
    'retention.bytes': '12',
  });
  const { diskless, mayHoldPlaceholders } = planned(result).settings;
  expect({ diskless, mayHoldPlaceholders }).toEqual({ diskless: false, mayHoldPlaceholders: true });
  expect(kept(result)).toEqual({ 'diskless.enable': 'false' });
});

test('a log with placeholders is never given to the broker to compact', () => {
  const compacted = settings(true, { 'cleanup.policy': 'compact' });
  expect(problemOf(plan(ops(set('diskless.enable', 'false')), { settings: compacted }))).toContain(
    'cannot be compacted by the broker',
  );
  const classicNow = { settings: settings(false, {}, true), held: held({}) };
  expect(problemOf(plan(ops(set('cleanup.policy', 'compact')), classicNow))).toContain('compacted');
  const appended = ops({ name: 'cleanup.policy', configOperation: 2, value: 'compact' });
  expect(problemOf(plan(appended, classicNow))).toContain('compacted');
  const replaced = plan(replacement({ 'cleanup.policy': 'compact' }), { settings: compacted });
  expect(problemOf(replaced)).toContain('AlterConfigs replaces the whole set');
  const deleted = plan(ops(set('diskless.enable', 'false'), set('cleanup.policy', 'delete')), {
    settings: compacted,
  });
  expect(upstreamOps(deleted)).toMatchObject({ 'cleanup.policy': 'delete', 'retention.ms': null });
});

test('a topic that was never diskless may be compacted', () => {
  const result = plan(ops(set('cleanup.policy', 'compact')), {
    settings: settings(false, { 'diskless.enable': 'false' }),
  });
  expect(upstreamOps(result)).toEqual({ 'cleanup.policy': 'compact' });
});

test('APPEND and SUBTRACT work on the policy that the user sees', () => {
  const result = plan(ops({ name: 'cleanup.policy', configOperation: 2, value: 'compact' }), {
    settings: settings(true),
    held: held({ 'cleanup.policy': 'delete' }),
  });
  expect(kept(result)).toEqual({ 'cleanup.policy': 'delete,compact' });
  const back = plan(ops({ name: 'cleanup.policy', configOperation: 3, value: 'delete' }), {
    settings: planned(result).settings,
    held: held({ 'cleanup.policy': 'delete', 'retention.ms': '44' }),
  });
  expect(kept(back)).toEqual({ 'cleanup.policy': 'compact', 'retention.ms': '44' });
  expect(upstreamOps(back)).toMatchObject({ 'cleanup.policy': 'delete', 'retention.ms': '-1' });
  const odd = plan(ops({ name: 'diskless.enable', configOperation: 2, value: 'true' }));
  expect(problemOf(odd)).toBe("Can't APPEND to key diskless.enable because its type is not LIST.");
});

test('other keys of a diskless topic go to the broker as they are, other diskless keys stay', () => {
  const result = plan(ops(set('segment.bytes', '5'), set('diskless.color', 'red'), remove('x.y')), {
    settings: settings(true, { 'diskless.enable': 'true' }),
  });
  expect(upstreamOps(result)).toMatchObject({ 'segment.bytes': '5', 'x.y': null });
  expect(upstreamOps(result)).not.toHaveProperty(['diskless.color']);
  expect(kept(result)).toEqual({ 'diskless.enable': 'true', 'diskless.color': 'red' });
});

test('without the switch in it, a replacement makes the topic what it is by default', () => {
  const given = { settings: settings(true, { 'diskless.enable': 'true', 'retention.bytes': '3' }) };
  const off = plan(replacement({ 'retention.bytes': '4' }), given);
  expect(planned(off).settings.diskless).toBe(false);
  expect(upstreamValues(off)).toEqual({ 'retention.bytes': '4' });
  const on = plan(replacement({ 'retention.bytes': '4' }), { ...given, disklessByDefault: true });
  expect(planned(on).settings.diskless).toBe(true);
  expect(kept(on)).toEqual({ 'retention.bytes': '4' });
});

// What users see must not depend on the switch: the same changes are made to a plain topic and to
// one behind plans, whose broker is told only what the plans say.
const values: Record<string, fc.Arbitrary<string>> = {
  'diskless.enable': fc.constantFrom('true', 'false'),
  'cleanup.policy': fc.constantFrom('delete', 'compact', 'compact,delete', ''),
  'compression.type': fc.constantFrom('gzip', 'producer', 'zstd'),
  'retention.bytes': fc.constantFrom('-1', '10', '20'),
  'retention.ms': fc.constantFrom('-1', '100', '200'),
  'segment.bytes': fc.constantFrom('1', '2'),
};

const anOp = fc.constantFrom(...Object.keys(values)).chain((name) =>
  fc.record({
    name: fc.constant(name),
    configOperation: fc.constantFrom(
      ...(name === 'cleanup.policy' ? Object.values(CONFIG_OP) : [CONFIG_OP.set, CONFIG_OP.delete]),
    ),
    value: values[name] ?? fc.constant(''),
  }),
);

const aChange: fc.Arbitrary<TopicChange> = fc.oneof(
  fc
    .uniqueArray(anOp, { minLength: 1, selector: ({ name }) => name })
    .map((list) => ({ kind: 'operations' as const, ops: list })),
  fc
    .record(values, { requiredKeys: [] })
    .map((record) => replacement({ ...record } as Record<string, string>)),
);

function applied(before: ReadonlyMap<string, string>, change: TopicChange): Map<string, string> {
  if (change.kind === 'replacement') return new Map(change.values);
  const after = new Map(before);
  for (const { name, configOperation, value } of change.ops) {
    const old = (after.get(name) ?? 'delete').split(',').filter((item) => item !== '');
    const items = (value ?? '').split(',').filter((item) => item !== '');
    if (configOperation === CONFIG_OP.set) after.set(name, value ?? '');
    else if (configOperation === CONFIG_OP.delete) after.delete(name);
    else if (configOperation === CONFIG_OP.append) {
      after.set(name, [...old, ...items.filter((item) => !old.includes(item))].join(','));
    } else after.set(name, old.filter((item) => !items.includes(item)).join(','));
  }
  return after;
}

test('whatever is changed and however often, users see what they set and the broker is safe', () => {
  fc.assert(
    fc.property(
      fc.array(aChange, { maxLength: 12 }),
      fc.constantFrom('delete', 'compact'),
      (changes, policyDefault) => {
        let plain = new Map<string, string>();
        let broker = new Map<string, string>();
        let state: TopicSettings | undefined;
        const defaults = new Map([['cleanup.policy', policyDefault]]);
        for (const change of changes) {
          const result = planChange({
            topic: 't',
            settings: state,
            held: { explicit: broker, defaults },
            change,
            disklessByDefault: false,
          });
          if (result.kind === 'refused') continue;
          plain = applied(plain, change);
          broker = applied(broker, result.upstream);
          state = result.settings;
          const seen = new Map(userValues(state, { explicit: broker, defaults }));
          const pinned = state.configs.get('cleanup.policy');
          if (!plain.has('cleanup.policy') && pinned !== undefined) {
            expect(pinned).toBe(policyDefault);
            plain.set('cleanup.policy', pinned);
          }
          expect(seen).toEqual(plain);
          const policy = plain.get('cleanup.policy') ?? policyDefault;
          if (state.diskless) {
            expect(broker.get('cleanup.policy')).not.toContain('compact');
            expect(broker.get('compression.type')).toBe('producer');
            expect(broker.get('retention.bytes')).toBe('-1');
            if (policy === 'compact') expect(broker.get('retention.ms')).toBe('-1');
          } else {
            const { ['diskless.enable']: _, ...classic } = Object.fromEntries(plain);
            expect(Object.fromEntries(broker)).toEqual(classic);
            if (policy.includes('compact')) expect(state.mayHoldPlaceholders).toBe(false);
          }
        }
      },
    ),
    { numRuns: 500 },
  );
});
