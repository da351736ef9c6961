import { expect, test } from 'vitest';
import { runCommand } from '../../docker/local/process.ts';

test('npm run quickstart -- --once shows a diskless topic and ends', async () => {
  const result = await runCommand('npm', ['run', '--silent', 'quickstart', '--', '--once']);
  expect(result.code, result.stderr).toBe(0);
  expect(result.stdout).toMatch(/^orders-diskless +diskless +0 to 1999 +2,048,000 +[\d,]+ *$/m);
  expect(result.stdout).toMatch(/^segments, as Kafka's +0, 0 bytes +[1-9]/m);
  expect(result.stdout).toMatch(/^the broker's log begins at +0 +[1-9][\d,]*/m);
  expect(result.stdout).toContain('orders-diskless was read again from its beginning');
  expect(result.stdout.trimEnd().split('\n').slice(-4)).toEqual([
    expect.stringMatching(/^bootstrap: 127\.0\.0\.1:\d+$/),
    expect.stringMatching(/^kafka: 127\.0\.0\.1:\d+$/),
    expect.stringMatching(/^redis: redis:\/\/127\.0\.0\.1:\d+$/),
    expect.stringMatching(/^store: \/.+/),
  ]);
});
