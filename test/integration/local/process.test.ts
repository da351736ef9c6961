import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createConnection } from 'node:net';
import { createInterface } from 'node:readline';
import { expect, test } from 'vitest';
import { startRedis } from '../../../docker/local/redis.ts';

async function isListening(port: number): Promise<boolean> {
  const socket = createConnection({ port, host: '127.0.0.1' });
  const connected = await Promise.race([
    once(socket, 'connect').then(() => true),
    once(socket, 'close').then(() => false),
  ]).catch(() => false);
  socket.destroy();
  return connected;
}

test('a server ends with a process that was killed', async () => {
  const script = `
    import { startRedis } from './docker/local/redis.ts';
    console.log((await startRedis()).port);
    setInterval(() => {}, 1000);`;
  const runner = spawn('node', ['--input-type=module-typescript', '--eval', script]);
  const [line] = await once(createInterface(runner.stdout), 'line');
  const port = Number(line);
  expect(await isListening(port)).toBe(true);
  runner.kill('SIGKILL');
  await expect.poll(async () => isListening(port), { timeout: 10_000 }).toBe(false);
});

test('a stopped server can be started again on its port, empty', async () => {
  const redis = await startRedis();
  await redis.kill();
  expect(await isListening(redis.port)).toBe(false);
  await redis.start();
  expect(await isListening(redis.port)).toBe(true);
  await redis.stop();
  expect(await isListening(redis.port)).toBe(false);
});

test('a server that cannot start fails with the last lines of its log', async () => {
  const configs = { 'no-such-setting': 'yes' };
  await expect(startRedis({ configs })).rejects.toThrow(/no-such-setting/);
});
