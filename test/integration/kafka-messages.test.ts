/**
 * Every version of every message, judged by Kafka's own generated classes: 4.3.1, and 3.9.2 for the
 * versions that 4.0 removed.
 */

import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { kafkaLibs } from '../../docker/local/kafka-jars.ts';
import { javaProgram } from '../../docker/local/kafka-tools.ts';
import { ApiKey, apiKeyName, isFlexible } from '../../kafka/api-keys.ts';
import { KafkaErrorCode, isRetriable, kafkaErrorName } from '../../kafka/error-codes.ts';
import { messages } from '../../kafka/messages/index.ts';
import { requestHeaderVersion, responseHeaderVersion } from '../../kafka/wire/frame.ts';
import type { Message } from '../../kafka/wire/message.ts';
import { sampleOf } from '../unit/kafka/messages/message-samples.ts';
import { parseKafkaJson, toKafkaJson } from './kafka-messages-json.ts';

const SAMPLES_PER_VERSION = 8;
/** Printed in the name of the suite; set SEED to run the same samples again. */
const SEED = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);
const ORACLE = new URL('../oracle/KafkaMessages.java', import.meta.url).pathname;

interface Case {
  readonly message: Message;
  readonly version: number;
  readonly value: unknown;
  readonly bytes: Buffer;
}

interface Tables {
  readonly apis: readonly {
    readonly key: number;
    readonly name: string;
    readonly versions: readonly { version: number; request: number; response: number }[];
  }[];
  readonly errors: readonly { code: number; name: string; retriable: boolean }[];
}

const cases = [...messages.values()]
  .flatMap(({ request, response }) => [request, response])
  .flatMap(casesOf);

function casesOf(message: Message): Case[] {
  const [first, last] = message.versions;
  const versions = Array.from({ length: last - first + 1 }, (_, index) => first + index);
  return versions.flatMap((version) => {
    const sample = sampleOf(message, version, isFlexible(message.apiKey, version));
    return fc.sample(sample, { numRuns: SAMPLES_PER_VERSION, seed: SEED }).map((value) => {
      return { message, version, value, bytes: Buffer.concat(message.encode(value, version)) };
    });
  });
}

async function askKafka(release: string, requests: readonly string[]): Promise<string[]> {
  const stdin = `${requests.join('\n')}\n`;
  const { code, stdout, stderr } = await javaProgram(await kafkaLibs(release), ORACLE, [], {
    stdin,
  });
  if (code !== 0) throw new Error(`the oracle of ${release} failed: ${stderr}`);
  const answers = stdout.trimEnd().split('\n');
  expect(answers).toHaveLength(requests.length);
  return answers;
}

/** What the sample's bytes become without the tags that no JSON form has. */
function withoutUnknownTags(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutUnknownTags);
  if (value === null || typeof value !== 'object' || Buffer.isBuffer(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name]) => name !== 'unknownTags')
      .map(([name, member]) => [name, withoutUnknownTags(member)]),
  );
}

const judged = new Set<string>();

describe.each(['3.9.2', '4.3.1'])(`Kafka %s (seed ${SEED})`, (release) => {
  test('decodes what we encode to the same values, and encodes it to the same bytes', async () => {
    const answers = await askKafka(
      release,
      cases.map(({ message, version, bytes }) => {
        return `bytes ${message.name} ${version} ${bytes.toString('hex')}`;
      }),
    );
    for (const [index, { message, version, value, bytes }] of cases.entries()) {
      const answer = answers[index] ?? '';
      if (answer === 'unsupported') continue;
      const label = `${message.name} v${version}`;
      const [hex, json] = splitOnce(answer);
      expect(hex, label).toBe(bytes.toString('hex'));
      const ours = toKafkaJson(message.spec, withoutUnknownTags(value), version);
      expect(parseKafkaJson(json), label).toEqual(parseKafkaJson(ours));
      judged.add(label);
    }
  });

  test('encodes the same values to the bytes that we write, and we read them back', async () => {
    const plain = cases.map((sample) => ({ ...sample, value: withoutUnknownTags(sample.value) }));
    const answers = await askKafka(
      release,
      plain.map(({ message, version, value }) => {
        return `json ${message.name} ${version} ${toKafkaJson(message.spec, value, version)}`;
      }),
    );
    for (const [index, { message, version, value }] of plain.entries()) {
      const answer = answers[index] ?? '';
      if (answer === 'unsupported') continue;
      const label = `${message.name} v${version}`;
      expect(answer, label).toBe(Buffer.concat(message.encode(value, version)).toString('hex'));
      expect(message.decode(Buffer.from(answer, 'hex'), version), label).toEqual(value);
    }
  });

  test('has the API keys, header versions and error codes of our tables', async () => {
    const [json = ''] = await askKafka(release, ['tables']);
    const tables = JSON.parse(json) as Tables;
    for (const { key, name, versions } of tables.apis) {
      // Key 74 has another name since 4.1.
      if (release === '4.3.1') expect(apiKeyName(key)).toBe(name);
      for (const { version, request, response } of versions) {
        expect(requestHeaderVersion(key, version), `${name} v${version}`).toBe(request);
        expect(responseHeaderVersion(key, version), `${name} v${version}`).toBe(response);
      }
    }
    for (const { code, name, retriable } of tables.errors) {
      expect(kafkaErrorName(code)).toBe(name);
      expect(isRetriable(code), name).toBe(retriable);
    }
    if (release !== '4.3.1') return;
    expect(tables.apis).toHaveLength(Object.keys(ApiKey).length);
    expect(tables.errors).toHaveLength(Object.keys(KafkaErrorCode).length);
  });
});

test('each version of each message was judged by one release or both', () => {
  const all = cases.map(({ message, version }) => `${message.name} v${version}`);
  expect(judged).toEqual(new Set(all));
});

function splitOnce(text: string): [string, string] {
  const space = text.indexOf(' ');
  return [text.slice(0, space), text.slice(space + 1)];
}
