/**
 * Changes of topics that clients ask for, in three steps: plan one before the broker is asked, then
 * commit it if the broker has agreed, or take it back if not. Whether a client may change a topic
 * is never decided here: the broker sees the client's own request on the client's own connection.
 */
import type { Logger } from 'pino';
import { KafkaErrorCode, OutriggerError } from '../../kafka/index.ts';
import type { TopicRecord } from '../../storage/index.ts';
import { proxyError } from '../errors.ts';
import type { Clock } from '../../runtime/index.ts';
import { planChange, type TopicChange } from './change-plan.ts';
import type { ClusterTopics, TopicName } from './cluster-topics.ts';
import type { DefaultConfig } from './config-overlay.ts';
import type { DisklessTopics } from './diskless-topics.ts';
import type { TopicCatalog } from './topic-catalog.ts';
import { CLEANUP_POLICY, isOwnKey, isSpecialKey } from './topic-keys.ts';
import { settingsOf, type TopicRegister } from './topic-register.ts';
import type { TopicSettings, Values } from './upstream-configs.ts';

/** How long the brokers' defaults are believed. */
const DEFAULTS_MAX_AGE_MS = 60_000;
/** Brokers hear of a new topic within milliseconds, a slow one within seconds. */
const FIND_ATTEMPTS_MAX = 50;
const FIND_RETRY_MS = 100;

/** An answer that the client gets without, or in place of, the broker's. */
export interface Refusal {
  readonly kind: 'refused';
  readonly errorCode: number;
  readonly errorMessage: string;
}

/** A change of an existing topic between the broker's request and its answer. */
export interface PlannedChange {
  readonly kind: 'planned';
  readonly topic: TopicName;
  /** What the broker is asked. */
  readonly upstream: TopicChange;
  /** What holds once it has agreed. */
  readonly settings: TopicSettings;
  readonly before: TopicRecord | undefined;
  /** What is in the bucket meanwhile. */
  readonly present: TopicRecord | undefined;
}

export type ChangeOutcome =
  | PlannedChange
  | Refusal
  /** Nothing special about it: the broker's business. */
  | { readonly kind: 'untouched' };

export interface PlannedCreation {
  readonly kind: 'planned';
  /** What the broker is asked to set on the topic. */
  readonly upstream: Values;
  readonly settings: TopicSettings;
  /** The id of an earlier topic of this name, if there was one. */
  readonly formerId: string | undefined;
}

export interface TopicAdminOptions {
  readonly cluster: Pick<ClusterTopics, 'find' | 'held' | 'defaults'>;
  readonly catalog: Pick<TopicCatalog, 'byName' | 'byId' | 'learn' | 'forget' | 'refreshConfigs'>;
  readonly register: TopicRegister;
  readonly disklessTopics: DisklessTopics;
  readonly clock: Pick<Clock, 'monotonicMs' | 'after'>;
  readonly log: Logger;
}

export class TopicAdmin {
  readonly #options: TopicAdminOptions;
  #defaults: ReadonlyMap<string, DefaultConfig> = new Map();
  #defaultsUntilMs = Number.NEGATIVE_INFINITY;
  #warnedOfDefaults = false;

  constructor(options: TopicAdminOptions) {
    this.#options = options;
  }

  /** @returns whether a change of the topic has to be planned */
  isConcerned(name: string, change: TopicChange): boolean {
    return hasOwnKey(change) || this.#options.catalog.byName(name)?.record != null;
  }

  /** Held from planning a change of the topics until it is committed or taken back. */
  async lock(names: Iterable<string>): Promise<() => void> {
    return this.#options.register.lock(names);
  }

  /**
   * @param validateOnly nothing is written then, and nothing may be committed
   * @returns what to ask the broker; never throws for what is in the client's hands or is passing
   */
  async plan(name: string, change: TopicChange, validateOnly: boolean): Promise<ChangeOutcome> {
    const { cluster, register, disklessTopics } = this.#options;
    if (!hasSpecialKey(change)) return { kind: 'untouched' };
    try {
      const topic = await this.#find(name);
      if (topic === undefined) return unseen(name);
      // In this order, see `TopicRegister.prepare`.
      const held = await cluster.held(name);
      const before = await register.read(topic.topicId);
      if (before === undefined && !hasOwnKey(change)) return { kind: 'untouched' };
      const settings = settingsOf(before);
      // Only a topic about which something was kept falls back to what diskless.topics says.
      const disklessByDefault = settings !== undefined && disklessTopics.matches(name);
      const plan = planChange({ topic: name, settings, held, change, disklessByDefault });
      if (plan.kind === 'refused') return plan;
      const becomesDiskless = plan.settings.diskless && settings?.diskless !== true;
      const present =
        becomesDiskless && !validateOnly ? await register.prepare(topic, before, held) : before;
      return { ...plan, topic, before, present };
    } catch (error) {
      return this.#refused(error, `Nothing was changed about topic ${name}`);
    }
  }

  /** Records a change that the broker has agreed to. */
  async commit({ topic, present, settings }: PlannedChange): Promise<Refusal | undefined> {
    try {
      await this.#options.register.write(topic, present, settings);
      return undefined;
    } catch (error) {
      const what = `Kafka has changed topic ${topic.name}, but Outrigger has not: repeat the change`;
      return this.#refused(error, what);
    }
  }

  /** Takes back a change that the broker has refused. */
  async takeBack({ topic, before, present }: PlannedChange): Promise<void> {
    try {
      await this.#options.register.restore(topic, before, present);
    } catch (error) {
      // It says no more than what users have set, which is still true.
      const { log } = this.#options;
      log.warn({ err: error, topic: topic.name }, 'a prepared topic record stays in the bucket');
    }
  }

  /** Reads again what produced batches are checked against. */
  refreshConfigs(names: readonly string[]): void {
    void this.#options.catalog.refreshConfigs(names);
  }

  /** @param values what the client sets on a topic that is yet to be */
  async planCreation(
    name: string,
    values: Values,
    validateOnly: boolean,
  ): Promise<PlannedCreation | Refusal> {
    const { catalog, disklessTopics, register } = this.#options;
    const disklessByDefault = disklessTopics.matches(name);
    const formerId = catalog.byName(name)?.topicId;
    const policy = (await this.defaults()).get(CLEANUP_POLICY)?.value;
    const defaults = new Map(policy === undefined ? [] : [[CLEANUP_POLICY, policy]]);
    const plan = planChange({
      topic: name,
      settings: undefined,
      held: { explicit: new Map(), defaults },
      change: { kind: 'replacement', values },
      disklessByDefault,
    });
    if (plan.kind === 'refused') return plan;
    const { upstream, settings } = plan;
    if (upstream.kind !== 'replacement') throw new TypeError('a creation sets everything at once');
    try {
      // The record is written once the topic is there: better to know first that it can be.
      if (settings.diskless && !validateOnly) await register.probe();
      return { kind: 'planned', upstream: upstream.values, settings, formerId };
    } catch (error) {
      return this.#refused(error, `Topic ${name} was not created`);
    }
  }

  /** @returns whether a new topic of this name needs more than the broker */
  isCreationConcerned(name: string, keys: Iterable<string>): boolean {
    return this.#options.disklessTopics.matches(name) || [...keys].some(isOwnKey);
  }

  /**
   * Records what a topic is that the broker has made.
   * @param topicId undefined if the broker's answer does not tell
   */
  async commitCreation(
    name: string,
    topicId: string | undefined,
    { settings, formerId }: PlannedCreation,
  ): Promise<Refusal | undefined> {
    try {
      const topic = topicId === undefined ? await this.#findNew(name, formerId) : { name, topicId };
      await this.#options.register.write(topic, undefined, settings, true);
      this.#options.catalog.learn([topic]);
      return undefined;
    } catch (error) {
      const what =
        `Topic ${name} was created, but could not be recorded: it is a classic topic with the ` +
        'settings of a diskless one. Delete it and create it again';
      // Not one that clients retry: the topic exists by now.
      return this.#refused(error, what, KafkaErrorCode.UNKNOWN_SERVER_ERROR);
    }
  }

  /** Forgets topics that the broker has deleted. */
  async forget(topicId: string): Promise<void> {
    const { catalog, register, log } = this.#options;
    const hasRecord = catalog.byId(topicId)?.record != null;
    catalog.forget(topicId);
    if (!hasRecord) return;
    try {
      await register.remove(topicId);
    } catch (error) {
      // The workers remove what is left of topics that the cluster does not have any more.
      log.warn({ err: error, topicId }, 'the record of a deleted topic stays in the bucket');
    }
  }

  /** @returns what applies where a topic sets nothing; empty if the brokers do not tell */
  async defaults(): Promise<ReadonlyMap<string, DefaultConfig>> {
    const { cluster, clock, log } = this.#options;
    const nowMs = clock.monotonicMs();
    if (nowMs < this.#defaultsUntilMs) return this.#defaults;
    this.#defaultsUntilMs = nowMs + DEFAULTS_MAX_AGE_MS;
    try {
      this.#defaults = await cluster.defaults();
    } catch (error) {
      if (!this.#warnedOfDefaults) {
        log.warn({ err: error }, "the brokers' defaults are taken for Kafka's own");
      }
      this.#warnedOfDefaults = true;
    }
    return this.#defaults;
  }

  /** Asks the cluster, since what is known of a topic that was created again may be late. */
  async #find(name: string): Promise<TopicName | undefined> {
    const { cluster, catalog } = this.#options;
    const found = await cluster.find([name], []);
    catalog.learn(found);
    return found[0];
  }

  /** A topic that was just created: brokers need a moment to hear of it. */
  async #findNew(name: string, formerId: string | undefined): Promise<TopicName> {
    for (let attempt = 1; attempt <= FIND_ATTEMPTS_MAX; attempt++) {
      const found = (await this.#options.cluster.find([name], []))[0];
      if (found !== undefined && found.topicId !== formerId) return found;
      await new Promise<void>((resolve) => {
        this.#options.clock.after(FIND_RETRY_MS, resolve);
      });
    }
    const message = `The cluster does not show the new topic ${name} to the proxy's own principal`;
    throw proxyError('PROXY_TOPIC_UNSEEN', message, { details: { topic: name } });
  }

  #refused(error: unknown, what: string, errorCode?: number): Refusal {
    // What is not an error of ours is a mistake of ours, and nothing that a client could act on.
    if (!(error instanceof OutriggerError)) throw error;
    this.#options.log.warn({ err: error }, what);
    return {
      kind: 'refused',
      errorCode: errorCode ?? errorCodeOf(error),
      errorMessage: `${what}: ${error.message}`,
    };
  }
}

function unseen(name: string): Refusal {
  return {
    kind: 'refused',
    errorCode: KafkaErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    errorMessage: `The cluster does not show a topic ${name} to Outrigger's own principal.`,
  };
}

function errorCodeOf({ code, retriable }: OutriggerError): number {
  if (code === 'PROXY_TOPIC_CONFIGS_UNREADABLE') return KafkaErrorCode.INVALID_REQUEST;
  if (code.startsWith('STORAGE_')) return KafkaErrorCode.KAFKA_STORAGE_ERROR;
  return retriable ? KafkaErrorCode.REQUEST_TIMED_OUT : KafkaErrorCode.UNKNOWN_SERVER_ERROR;
}

function keysOf(change: TopicChange): string[] {
  return change.kind === 'replacement'
    ? [...change.values.keys()]
    : change.ops.map(({ name }) => name);
}

function hasOwnKey(change: TopicChange): boolean {
  return keysOf(change).some(isOwnKey);
}

/** What a replacement does not name is changed too. */
function hasSpecialKey(change: TopicChange): boolean {
  return change.kind === 'replacement' || keysOf(change).some(isSpecialKey);
}
