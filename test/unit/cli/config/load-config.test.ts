import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { CONFIG_KEYS } from '../../../../cli/config/config-keys.ts';
import { describeConfig } from '../../../../cli/config/describe-config.ts';
import { loadConfig, variableOf } from '../../../../cli/config/load-config.ts';
import { OutriggerError } from '../../../../kafka/index.ts';

const REQUIRED = 'kafka.bootstrap.servers=a:9092\nstore.url=file:///tmp/x\n';

function load(text: string, environment: Record<string, string> = {}) {
  return loadConfig(CONFIG_KEYS, { file: { name: 'test.properties', text }, environment });
}

function complaint(text: string, environment: Record<string, string> = {}): string {
  try {
    load(text, environment);
  } catch (error) {
    if (error instanceof OutriggerError && error.code === 'CLI_CONFIG_INVALID')
      return error.message;
    throw error;
  }
  throw new Error('the configuration was taken');
}

test('every default is a value that its key allows', () => {
  const { values } = load(REQUIRED);
  expect(values['wal.linger.ms']).toBe(250);
  expect(values['kafka.bootstrap.servers']).toEqual(['a:9092']);
  expect(values['node.ports']).toEqual({ first: 19_100, last: 19_299 });
  expect(Object.keys(values)).toEqual(Object.keys(CONFIG_KEYS));
});

test('an environment variable overrides the file', () => {
  const { values } = load(`${REQUIRED}diskless.topics=a`, { OUTRIGGER_DISKLESS_TOPICS: 'b*, c' });
  expect(values['diskless.topics']).toEqual(['b*', 'c']);
});

test('a wrong value is named with its key and what is allowed', () => {
  expect(complaint(`${REQUIRED}wal.linger.ms=soon`)).toContain(
    'wal.linger.ms = soon: takes a whole number from 0 to 60000',
  );
  expect(complaint(REQUIRED, { OUTRIGGER_MEMBER_ID: '2046' })).toContain(
    'member.id (from OUTRIGGER_MEMBER_ID) = 2046: takes a whole number from 0 to 2045',
  );
});

test('all complaints are made at once', () => {
  const message = complaint('wal.linger.ms=-1\nlog.level=loud\nkafka.bootstrap.servers=nowhere');
  expect(message.match(/\n/g)).toHaveLength(4);
  expect(message).toContain('store.url is not set');
  expect(message).toContain('takes a comma-separated list of HOST:PORT');
  expect(message).toContain('log.level = loud: takes one of trace, debug, info');
});

test('an unknown key is refused, and the one that was meant is suggested', () => {
  expect(complaint(`${REQUIRED}wal.linger=5`)).toContain(
    'wal.linger in test.properties is no key of Outrigger; did you mean wal.linger.ms?',
  );
});

test('an unknown variable with our prefix is no reason to fail: platforms make such variables', () => {
  const { ignoredVariables } = load(REQUIRED, { OUTRIGGER_SERVICE_HOST: '10.0.0.1', PATH: '' });
  expect(ignoredVariables).toEqual(['OUTRIGGER_SERVICE_HOST']);
});

test('no two keys share an environment variable', () => {
  const variables = Object.keys(CONFIG_KEYS).map(variableOf);
  expect(new Set(variables).size).toBe(variables.length);
});

test.each([
  ['[::1]:9092', true],
  ['host:0', false],
  ['host:65536', false],
  ['host', false],
  ['a:1, b:2', true],
])('the address list %s is taken: %s', (addresses, taken) => {
  const text = `kafka.bootstrap.servers=${addresses}\nstore.url=file:///x`;
  if (taken) load(text);
  else expect(complaint(text)).toContain('kafka.bootstrap.servers');
});

test('docs/config.md is what the program says', () => {
  const page = readFileSync(new URL('../../../../docs/config.md', import.meta.url), 'utf8');
  expect(page).toBe(describeConfig(CONFIG_KEYS));
});
