/** `docs/errors.md` has a row for every error code that there is, and for no other. */
import { globSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { CLI_ERROR_CODES } from '../../../cli/errors.ts';
import { COORDINATOR_ERROR_CODES } from '../../../coordinator/index.ts';
import { KAFKA_ERROR_CODES, KafkaErrorCode, RECORDS_ERROR_CODES } from '../../../kafka/index.ts';
import { PROXY_ERROR_CODES } from '../../../proxy/errors.ts';
import { STORAGE_ERROR_CODES } from '../../../storage/index.ts';
import { WORKER_ERROR_CODES } from '../../../workers/errors.ts';

const ROOT = new URL('../../../', import.meta.url).pathname;
const page = readFileSync(`${ROOT}docs/errors.md`, 'utf8');
const [ours = '', kafkas = ''] = page.split('## Kafka error codes that Outrigger itself answers');

test('every code of ours has one row, and every row a code', () => {
  const codes = [
    ...CLI_ERROR_CODES,
    ...COORDINATOR_ERROR_CODES,
    ...KAFKA_ERROR_CODES,
    ...PROXY_ERROR_CODES,
    ...RECORDS_ERROR_CODES,
    ...STORAGE_ERROR_CODES,
    ...WORKER_ERROR_CODES,
  ];
  const rows = [...ours.matchAll(/^\| `([A-Z_]+)` \|/gm)].map(([, code]) => code);
  expect(new Set(rows)).toEqual(new Set(codes));
  expect(rows).toHaveLength(codes.length);
});

test('every Kafka error code that the proxy answers has a row, and every row is answered', () => {
  const numbers: Readonly<Record<string, number>> = KafkaErrorCode;
  const used = new Set<string>();
  for (const file of globSync('proxy/**/*.ts', { cwd: ROOT })) {
    const source = readFileSync(ROOT + file, 'utf8');
    for (const [, name = ''] of source.matchAll(/\bKafkaErrorCode\.([A-Z_]+)/g)) used.add(name);
  }
  used.delete('NONE');
  const rows = [...kafkas.matchAll(/^\| `([A-Z_]+)` \((-?\d+)\) \|/gm)];
  expect(new Set(rows.map(([, name]) => name))).toEqual(used);
  expect(rows).toHaveLength(used.size);
  for (const [, name = '', number] of rows) expect(numbers[name]).toBe(Number(number));
});
