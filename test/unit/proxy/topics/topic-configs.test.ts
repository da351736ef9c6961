import { expect, test } from 'vitest';
import { readTopicConfigs } from '../../../../proxy/topics/topic-configs.ts';

const LONG_MAX = '9223372036854775807';

function described(values: Record<string, string>) {
  return Object.entries(values).map(([name, value]) => ({
    name,
    value,
    readOnly: false,
    isDefault: false,
    configSource: 1,
    isSensitive: false,
    synonyms: [],
    configType: 0,
    documentation: null,
  }));
}

test('the settings are read as the broker means them', () => {
  const configs = described({
    'max.message.bytes': '2000000',
    'message.timestamp.type': 'LogAppendTime',
    'message.timestamp.before.max.ms': LONG_MAX,
    'message.timestamp.after.max.ms': '3600000',
    'cleanup.policy': 'compact,delete',
  });
  expect(readTopicConfigs(configs, null)).toEqual({
    maxMessageBytes: 2_000_000,
    timestampType: 'LogAppendTime',
    timestampBeforeMaxMs: Number.POSITIVE_INFINITY,
    timestampAfterMaxMs: 3_600_000,
    compacted: true,
  });
});

test('before Kafka 4 the older limit holds where the newer ones are not set', () => {
  const configs = described({
    'message.timestamp.difference.max.ms': '1000',
    'message.timestamp.before.max.ms': LONG_MAX,
    'message.timestamp.after.max.ms': '50',
  });
  expect(readTopicConfigs(configs, null)).toMatchObject({
    timestampBeforeMaxMs: 1000,
    timestampAfterMaxMs: 50,
  });
});
