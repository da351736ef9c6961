/**
 * What users see of a topic's configuration where the broker holds something else, or nothing: the
 * answers of DescribeConfigs and CreateTopics, put right as Kafka would give them. Pure.
 */
import type { CreateTopicsResponse, DescribeConfigsResponse } from '../../kafka/index.ts';
import { DISKLESS_ENABLE, isOwnKey, isSubstitutedKey } from './topic-keys.ts';
import { isSubstituted, type TopicSettings } from './upstream-configs.ts';

export type DescribedConfig = DescribeConfigsResponse['results'][number]['configs'][number];
export type CreatedConfig = NonNullable<CreateTopicsResponse['topics'][number]['configs']>[number];

/** Kafka's `DescribeConfigsResponse.ConfigSource`. */
export const CONFIG_SOURCE = { topic: 1, staticBroker: 4, default: 5 } as const;
/** Kafka's `DescribeConfigsResponse.ConfigType`. */
const CONFIG_TYPE = { boolean: 1, string: 2 } as const;

const DOCUMENTATION: Readonly<Record<string, string>> = {
  [DISKLESS_ENABLE]:
    'Whether the records of the topic are kept in object storage, while Kafka keeps their order. ' +
    'It can be changed at any time and holds for what is produced from then on.',
};

/** What applies where a topic sets nothing. */
export interface DefaultConfig {
  readonly value: string;
  readonly source: number;
}

export interface OverlayOptions {
  readonly settings: TopicSettings | undefined;
  /** What applies where a topic sets nothing and the broker names no synonym. */
  readonly defaults: ReadonlyMap<string, DefaultConfig>;
  /** The keys that the client asked for; null or none for all. */
  readonly requestedKeys: readonly string[] | null;
  readonly includeDocumentation: boolean;
}

/**
 * @param configs as the broker described them, with synonyms if the topic is diskless
 * @returns as the user has set them, and the keys that only Outrigger knows
 */
export function overlayDescribed(
  configs: readonly DescribedConfig[],
  options: OverlayOptions,
): DescribedConfig[] {
  const { settings, defaults, requestedKeys, includeDocumentation } = options;
  const seen = configs.map((config) =>
    isSubstitutedKey(config.name) ? unsubstituted(config, settings, defaults) : config,
  );
  const isAsked = (key: string): boolean =>
    requestedKeys === null || requestedKeys.length === 0 || requestedKeys.includes(key);
  const own = ownConfigs(settings)
    .filter(({ name }) => isAsked(name))
    .map((config) => describedOwn(config, includeDocumentation));
  return [...seen, ...own];
}

/** @returns the entry with the user's value, or without the one that Outrigger has set */
function unsubstituted(
  config: DescribedConfig,
  settings: TopicSettings | undefined,
  defaults: ReadonlyMap<string, DefaultConfig>,
): DescribedConfig {
  const value = settings?.configs.get(config.name);
  const others = config.synonyms.filter(({ source }) => source !== CONFIG_SOURCE.topic);
  if (value !== undefined) {
    const own = { name: config.name, value, source: CONFIG_SOURCE.topic };
    return {
      ...config,
      value,
      isDefault: false,
      configSource: CONFIG_SOURCE.topic,
      synonyms: [own, ...others],
    };
  }
  if (settings === undefined || !isSubstituted(config.name, settings)) return config;
  // Of a retention that is set in hours the broker names no synonym.
  const [first] = others;
  const fallback = first ?? defaults.get(config.name);
  if (fallback === undefined) return config;
  const { value: inherited, source } = fallback;
  return {
    ...config,
    value: inherited,
    isDefault: true,
    configSource: source,
    synonyms: others,
  };
}

/**
 * @param configs as the broker says the new topic has them
 * @param settings what is kept of it
 * @param defaults what applies where a topic sets nothing
 * @returns as the user has asked for them, sorted by name as the broker does
 */
export function overlayCreated(
  configs: readonly CreatedConfig[],
  settings: TopicSettings | undefined,
  defaults: ReadonlyMap<string, DefaultConfig>,
): CreatedConfig[] {
  const seen = configs.map((config) => {
    const value = settings?.configs.get(config.name);
    if (value !== undefined) return { ...config, value, configSource: CONFIG_SOURCE.topic };
    if (settings === undefined || !isSubstituted(config.name, settings)) return config;
    const fallback = defaults.get(config.name);
    if (fallback === undefined) return config;
    return { ...config, value: fallback.value, configSource: fallback.source };
  });
  const own = ownConfigs(settings).map(({ name, value, source }) => ({
    name,
    value,
    readOnly: false,
    configSource: source,
    isSensitive: false,
  }));
  return [...seen, ...own].sort((a, b) => (a.name < b.name ? -1 : 1));
}

interface OwnConfig {
  readonly name: string;
  readonly value: string;
  readonly source: number;
}

/** @returns the keys that no broker knows; the switch is always among them */
function ownConfigs(settings: TopicSettings | undefined): OwnConfig[] {
  const own = [...(settings?.configs ?? [])]
    .filter(([name]) => isOwnKey(name))
    .map(([name, value]) => ({ name, value, source: CONFIG_SOURCE.topic as number }));
  if (own.some(({ name }) => name === DISKLESS_ENABLE)) return own;
  // Nobody has set it: what makes the topic diskless is the setting `diskless.topics`.
  const source = settings?.diskless === true ? CONFIG_SOURCE.staticBroker : CONFIG_SOURCE.default;
  return [{ name: DISKLESS_ENABLE, value: String(settings?.diskless === true), source }, ...own];
}

function describedOwn({ name, value, source }: OwnConfig, documented: boolean): DescribedConfig {
  const isSwitch = name === DISKLESS_ENABLE;
  const synonyms = [{ name, value, source }];
  if (isSwitch && source !== CONFIG_SOURCE.default) {
    synonyms.push({ name, value: 'false', source: CONFIG_SOURCE.default });
  }
  return {
    name,
    value,
    readOnly: false,
    isDefault: source !== CONFIG_SOURCE.topic,
    configSource: source,
    isSensitive: false,
    synonyms,
    configType: isSwitch ? CONFIG_TYPE.boolean : CONFIG_TYPE.string,
    documentation: documented ? (DOCUMENTATION[name] ?? null) : null,
  };
}
