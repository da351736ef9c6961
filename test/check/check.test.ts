import { expect, test } from 'vitest';
import { runCommand } from '../../docker/local/process.ts';

test.each(['types', 'lint', 'format'])('npm run check:%s finds nothing', async (what) => {
  const { code, stdout, stderr } = await runCommand('npm', ['run', '--silent', `check:${what}`]);
  expect(code, `${stdout}\n${stderr}`).toBe(0);
});
