/**
 * The settings of topics for all jobs of a process: asked for when a job needs them, and not again
 * for a while.
 */
import type { Coordinator } from '../../coordinator/index.ts';
import type { Clock } from '../../runtime/index.ts';
import type { TopicRecord } from '../../storage/index.ts';
import type { DescribeTopics } from './describe-topics.ts';
import { topicSettings } from './topic-settings.ts';
import type { DescribedSetting, TopicSettings } from './topic-settings.ts';

/** How long an answer serves: retention is to hold within a minute. */
export const SETTINGS_AGE_MS_MAX = 30_000;

/** Says what topics are configured to. */
export interface TopicSettingsSource {
  /**
   * @returns by topic name; those that do not exist are not in it
   * @throws as `describeTopicsBy`
   */
  get(topics: Iterable<string>): Promise<ReadonlyMap<string, TopicSettings>>;
}

export interface SettingsCacheOptions {
  readonly describe: DescribeTopics;
  readonly topics: Pick<Coordinator, 'topics'>;
  readonly clock: Pick<Clock, 'monotonicMs'>;
}

interface Answer {
  readonly described: readonly DescribedSetting[];
  readonly expiresMs: number;
  /** With the record that it was made with. */
  made?: { readonly record: TopicRecord | undefined; readonly settings: TopicSettings };
}

export class SettingsCache implements TopicSettingsSource {
  readonly #options: SettingsCacheOptions;
  /** Only what was asked for in the last while: bounded by the topics that there are. */
  readonly #answers = new Map<string, Answer>();
  #lastAsked: Promise<void> = Promise.resolve();

  constructor(options: SettingsCacheOptions) {
    this.#options = options;
  }

  async get(topics: Iterable<string>): Promise<ReadonlyMap<string, TopicSettings>> {
    const wanted = new Set(topics);
    // Jobs of several groups begin together, and want the same topics.
    const asked = this.#lastAsked.then(async () => this.#ask(wanted));
    this.#lastAsked = asked.catch(() => undefined);
    await asked;
    return this.#settingsOf(wanted);
  }

  async #ask(wanted: ReadonlySet<string>): Promise<void> {
    const nowMs = this.#options.clock.monotonicMs();
    for (const [topic, { expiresMs }] of this.#answers) {
      if (expiresMs <= nowMs) this.#answers.delete(topic);
    }
    const missing = [...wanted].filter((topic) => !this.#answers.has(topic));
    if (missing.length === 0) return;
    const expiresMs = nowMs + SETTINGS_AGE_MS_MAX;
    for (const [topic, described] of await this.#options.describe(missing)) {
      this.#answers.set(topic, { described, expiresMs });
    }
  }

  /** The records are in memory and change at once: they are overlaid at each call. */
  #settingsOf(wanted: ReadonlySet<string>): Map<string, TopicSettings> {
    const records = new Map<string, TopicRecord>();
    for (const record of this.#options.topics.topics().values()) {
      if (wanted.has(record.name)) records.set(record.name, record);
    }
    const settings = new Map<string, TopicSettings>();
    for (const topic of wanted) {
      const answer = this.#answers.get(topic);
      if (answer === undefined) continue;
      const record = records.get(topic);
      if (answer.made === undefined || answer.made.record !== record) {
        answer.made = { record, settings: topicSettings(answer.described, record) };
      }
      settings.set(topic, answer.made.settings);
    }
    return settings;
  }
}
