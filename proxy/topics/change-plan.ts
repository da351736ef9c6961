/**
 * What a change of a topic's configuration comes to: what the broker is asked, and what the topic
 * record says once the broker has agreed. One plan serves creation (a replacement of nothing),
 * AlterConfigs and IncrementalAlterConfigs. Pure; the broker judges whatever is not special.
 */
import { KafkaErrorCode } from '../../kafka/index.ts';
import { isReservedName } from './diskless-topics.ts';
import {
  CLEANUP_POLICY,
  CLEANUP_POLICY_DEFAULT,
  DISKLESS_ENABLE,
  isCompacted,
  isCompactedAlone,
  isOwnKey,
  isSpecialKey,
  isSubstitutedKey,
  listItems,
  normalValue,
  parseBoolean,
  REMOTE_STORAGE_ENABLE,
  RETENTION_MS,
  SUBSTITUTED_KEYS,
  valueProblem,
} from './topic-keys.ts';
import {
  type BrokerTopicConfigs,
  effectivePolicy,
  keptValues,
  safeValues,
  type TopicSettings,
  userValues,
  type Values,
} from './upstream-configs.ts';

/** Kafka's `AlterConfigOp.OpType`. */
export const CONFIG_OP = { set: 0, delete: 1, append: 2, subtract: 3 } as const;

/** One operation of IncrementalAlterConfigs; `value` means nothing to a delete. */
export interface ConfigOp {
  readonly name: string;
  readonly configOperation: number;
  readonly value: string | null;
}

/** Either single operations, or the whole set that replaces what is there. No key appears twice. */
export type TopicChange =
  | { readonly kind: 'operations'; readonly ops: readonly ConfigOp[] }
  | { readonly kind: 'replacement'; readonly values: Values };

export interface ChangeInput {
  readonly topic: string;
  /** What is kept of the topic; undefined if it has no record. */
  readonly settings: TopicSettings | undefined;
  readonly held: BrokerTopicConfigs;
  readonly change: TopicChange;
  /** What the topic is when nobody says. */
  readonly disklessByDefault: boolean;
}

/** `upstream` is what the broker is asked instead, `settings` what is kept then. */
export type ChangePlan =
  | { readonly kind: 'refused'; readonly errorCode: number; readonly errorMessage: string }
  | {
      readonly kind: 'planned';
      readonly upstream: TopicChange;
      readonly settings: TopicSettings;
    };

type Applied = Extract<ChangePlan, { kind: 'refused' }> | { readonly kind: 'user'; user: Values };

/** @returns what to ask the broker and to record, or why the change cannot be */
export function planChange(input: ChangeInput): ChangePlan {
  const { settings, held, change } = input;
  const before = userValues(settings, held);
  const applied =
    change.kind === 'operations' ? applyOps(before, change.ops) : applyValues(change.values);
  if (applied.kind === 'refused') return applied;
  const { user } = applied;
  const diskless = becomesDiskless(input, user);
  const problem = stateProblem(input, user, diskless);
  if (problem !== undefined) return refused(problem);
  const upstream =
    change.kind === 'operations'
      ? upstreamOps(input, change.ops, before, user, diskless)
      : upstreamReplacement(change.values, user, diskless, held);
  return {
    kind: 'planned',
    upstream,
    settings: {
      diskless,
      configs: keptValues(user, diskless, held),
      mayHoldPlaceholders: diskless || settings?.mayHoldPlaceholders === true,
    },
  };
}

function becomesDiskless(
  { settings, change, disklessByDefault }: ChangeInput,
  user: Values,
): boolean {
  const explicit = user.get(DISKLESS_ENABLE);
  if (explicit !== undefined) return parseBoolean(explicit) === true;
  const isLeftAlone =
    change.kind === 'operations' && change.ops.every(({ name }) => name !== DISKLESS_ENABLE);
  if (isLeftAlone) return settings?.diskless === true;
  // A pattern does not make a new topic diskless that is made for tiered storage.
  return disklessByDefault && (settings !== undefined || !hasRemoteStorage(user));
}

function hasRemoteStorage(user: Values): boolean {
  return parseBoolean(user.get(REMOTE_STORAGE_ENABLE) ?? 'false') === true;
}

function applyValues(values: Values): Applied {
  const user = new Map<string, string>();
  for (const [key, value] of values) {
    const problem = valueProblem(key, value);
    if (problem !== undefined) return refused(problem);
    user.set(key, normalValue(key, value));
  }
  return { kind: 'user', user };
}

/** As the controller does it (`ConfigurationControlManager.incrementalAlterConfigResource`). */
function applyOps(before: Values, ops: readonly ConfigOp[]): Applied {
  const user = new Map(before);
  for (const { name, configOperation, value } of ops) {
    if (!isSpecialKey(name)) continue;
    if (configOperation === CONFIG_OP.delete) {
      user.delete(name);
      continue;
    }
    const operand = value ?? '';
    const isList = name === CLEANUP_POLICY;
    if (configOperation !== CONFIG_OP.set && !isList) {
      const verb = configOperation === CONFIG_OP.append ? 'APPEND' : 'SUBTRACT';
      return refused(`Can't ${verb} to key ${name} because its type is not LIST.`);
    }
    const next =
      configOperation === CONFIG_OP.set
        ? operand
        : changedList(user.get(name) ?? CLEANUP_POLICY_DEFAULT, configOperation, operand);
    const problem = valueProblem(name, next);
    if (problem !== undefined) return refused(problem);
    user.set(name, normalValue(name, next));
  }
  return { kind: 'user', user };
}

function changedList(list: string, configOperation: number, operand: string): string {
  const items = listItems(list);
  const operands = listItems(operand);
  const changed =
    configOperation === CONFIG_OP.append
      ? [...items, ...operands.filter((item) => !items.includes(item))]
      : items.filter((item) => !operands.includes(item));
  return changed.join(',');
}

/** @returns why a topic cannot be what the change would make of it */
function stateProblem(input: ChangeInput, user: Values, diskless: boolean): string | undefined {
  const { topic, settings, held, change } = input;
  if (diskless) {
    if (isReservedName(topic)) {
      return `Topic ${topic} cannot be diskless: names that begin with __ are reserved.`;
    }
    if (hasRemoteStorage(user)) {
      const both = `${DISKLESS_ENABLE}=true and ${REMOTE_STORAGE_ENABLE}=true`;
      return `Topic ${topic} cannot have both ${both}.`;
    }
    return undefined;
  }
  if (settings?.mayHoldPlaceholders !== true || !isCompacted(effectivePolicy(user, held))) {
    return undefined;
  }
  const hint =
    change.kind === 'replacement' && settings.diskless
      ? ` AlterConfigs replaces the whole set: name ${DISKLESS_ENABLE}=true in it.`
      : '';
  return (
    `Topic ${topic} cannot be compacted by the broker while its log refers to object storage: ` +
    `the broker does not see the keys there. Keep ${DISKLESS_ENABLE}=true, ` +
    `or set ${CLEANUP_POLICY}=delete.${hint}`
  );
}

function upstreamReplacement(
  values: Values,
  user: Values,
  diskless: boolean,
  held: BrokerTopicConfigs,
): TopicChange {
  const upstream = new Map([...values].filter(([key]) => !isOwnKey(key)));
  if (diskless) {
    for (const key of SUBSTITUTED_KEYS) upstream.delete(key);
    for (const [key, value] of safeValues(user, held)) upstream.set(key, value);
  }
  return { kind: 'replacement', values: upstream };
}

function upstreamOps(
  { settings, held }: ChangeInput,
  ops: readonly ConfigOp[],
  before: Values,
  user: Values,
  diskless: boolean,
): TopicChange {
  const foreign = ops.filter(({ name }) => !isOwnKey(name));
  const isHeldHere = SUBSTITUTED_KEYS.some((key) => settings?.configs.has(key) === true);
  if (!diskless && settings?.diskless !== true && !isHeldHere) {
    return { kind: 'operations', ops: foreign };
  }
  const wanted = diskless ? safeValues(user, held) : user;
  const touched = new Set(ops.map(({ name }) => name));
  // Unlike the others, `retention.ms` is mostly the broker's own: it is left alone where it can be.
  const retentionConcerned =
    touched.has(RETENTION_MS) ||
    isCompactedAlone(effectivePolicy(before, held)) ||
    isCompactedAlone(effectivePolicy(user, held));
  const substituted = SUBSTITUTED_KEYS.filter((key) => key !== RETENTION_MS || retentionConcerned);
  return {
    kind: 'operations',
    ops: [
      ...foreign.filter(({ name }) => !isSubstitutedKey(name)),
      ...substituted.map((name) => setOrDelete(name, wanted.get(name))),
    ],
  };
}

function setOrDelete(name: string, value: string | undefined): ConfigOp {
  return value === undefined
    ? { name, configOperation: CONFIG_OP.delete, value: null }
    : { name, configOperation: CONFIG_OP.set, value };
}

function refused(errorMessage: string): Extract<ChangePlan, { kind: 'refused' }> {
  return { kind: 'refused', errorCode: KafkaErrorCode.INVALID_CONFIG, errorMessage };
}
