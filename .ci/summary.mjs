/**
 * summary.mjs REPORT STATUS: prints "N passed, N failed[, N skipped]" from vitest's JSON report and
 * the exit status of the test command. Whatever failed without being a test counts as one failure:
 * a test file that could not be run, or a command that ended before there was a report.
 */
import { readFileSync } from 'node:fs';

const [file, status] = process.argv.slice(2);
const text = readFileSync(file, 'utf8');
const none = { numPassedTests: 0, numFailedTests: 0, testResults: [] };
const report = text === '' ? none : JSON.parse(text);

const brokenFiles = report.testResults.filter(
  (result) =>
    result.status === 'failed' &&
    !result.assertionResults.some((assertion) => assertion.status === 'failed'),
).length;
const skipped = (report.numPendingTests ?? 0) + (report.numTodoTests ?? 0);
let failed = report.numFailedTests + brokenFiles;
if (failed === 0 && status !== '0') failed = 1;

const counts = [`${report.numPassedTests} passed`, `${failed} failed`];
if (skipped > 0) counts.push(`${skipped} skipped`);
process.stdout.write(`${counts.join(', ')}\n`);
