import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { runOrThrow } from '../../../docker/local/process.ts';

const passed = { status: 'passed', assertionResults: [{ status: 'passed' }] };
const failed = { status: 'failed', assertionResults: [{ status: 'failed' }] };
const broken = { status: 'failed', assertionResults: [] };

async function lastLine(report: object | undefined, status: number): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'outrigger-summary-'));
  onTestFinished(async () => rm(dir, { recursive: true }));
  const file = join(dir, 'report.json');
  await writeFile(file, report === undefined ? '' : JSON.stringify(report));
  const { stdout } = await runOrThrow('node', ['.ci/summary.mjs', file, String(status)]);
  return stdout;
}

test('all passed', async () => {
  const report = { numPassedTests: 7, numFailedTests: 0, testResults: [passed] };
  expect(await lastLine(report, 0)).toBe('7 passed, 0 failed\n');
});

test('a file that could not be run counts as a failure', async () => {
  const report = { numPassedTests: 7, numFailedTests: 1, testResults: [passed, failed, broken] };
  expect(await lastLine(report, 1)).toBe('7 passed, 2 failed\n');
});

test('skipped and planned tests are named', async () => {
  const counts = { numPassedTests: 7, numFailedTests: 0, numPendingTests: 2, numTodoTests: 1 };
  expect(await lastLine({ ...counts, testResults: [passed] }, 0)).toBe(
    '7 passed, 0 failed, 3 skipped\n',
  );
});

test('a run that failed beyond its tests is not reported as passed', async () => {
  const report = { numPassedTests: 7, numFailedTests: 0, testResults: [passed] };
  expect(await lastLine(report, 1)).toBe('7 passed, 1 failed\n');
  expect(await lastLine(undefined, 1)).toBe('0 passed, 1 failed\n');
});
