import { expect, test } from 'vitest';
import { runCommand, runOrThrow } from '../../../../docker/local/process.ts';

test('a command gets its input and hands back both outputs and its exit code', async () => {
  const lines: string[] = [];
  const result = await runCommand('sh', ['-c', 'cat; echo complaint >&2; exit 3'], {
    stdin: 'one\ntwo\n',
    onLine: (line) => lines.push(line),
  });
  expect(result).toEqual({ code: 3, stdout: 'one\ntwo\n', stderr: 'complaint\n' });
  expect(lines.sort()).toEqual(['complaint', 'one', 'two']);
});

test('a command that does not read its input is no error', async () => {
  const result = await runCommand('true', [], { stdin: Buffer.alloc(1 << 20) });
  expect(result.code).toBe(0);
});

test('a failed command throws with what it printed last', async () => {
  const run = runOrThrow('sh', ['-c', 'echo no such thing >&2; exit 1']);
  await expect(run).rejects.toThrow(/ended with 1:[\s\S]*no such thing/);
});

test('an aborted command ends and keeps what it printed', async () => {
  const abort = new AbortController();
  const result = await runCommand('sh', ['-c', 'echo begun; exec sleep 60'], {
    signal: abort.signal,
    onLine: () => abort.abort(),
  });
  expect(result).toEqual({ code: null, stdout: 'begun\n', stderr: '' });
});

test('a command that does not exist fails or says so', async () => {
  const result = await runCommand('outrigger-no-such-command', []).catch((error: Error) => ({
    code: 127,
    stderr: error.message,
  }));
  expect(result.code).toBe(127);
});
