import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { proxied, replyFrame, requestFrame } from '../../../support/proxied-connection.ts';

const BODY_BYTES = 16 * 1024 * 1024;

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await setImmediate();
}

test('a local answer may be a view of its request, however slowly the client reads', async () => {
  const { client, requestBudget, end } = await proxied({
    handle: ({ frame }) => ({ kind: 'answer', reply: { chunks: [frame.subarray(4)] } }),
  });
  const request = requestFrame(1, BODY_BYTES);
  client.socket.pause();
  client.send(request);
  await until(() => requestBudget.bytesHeld > 0);
  client.socket.resume();
  const answer = await client.frame();
  expect(answer?.equals(request.subarray(4))).toBe(true);
  await until(() => requestBudget.bytesHeld === 0);
  end();
});

test('what is forwarded, and its answer, may wait for slow peers and arrive whole', async () => {
  const { client, broker, requestBudget, replyBudget, end } = await proxied();
  broker.socket.pause();
  const request = requestFrame(1, BODY_BYTES);
  client.send(request);
  await until(() => requestBudget.bytesHeld > 0);
  broker.socket.resume();
  expect((await broker.frame())?.equals(request)).toBe(true);
  client.socket.pause();
  const reply = replyFrame(1, BODY_BYTES);
  broker.send(reply);
  await until(() => replyBudget.bytesHeld > 0);
  client.socket.resume();
  expect((await client.frame())?.equals(reply)).toBe(true);
  await until(() => requestBudget.bytesHeld === 0 && replyBudget.bytesHeld === 0);
  end();
});
