import { setImmediate } from 'node:timers/promises';
import * as fc from 'fast-check';
import { afterEach, expect, test } from 'vitest';
import type {
  ForwardOutcome,
  Handled,
  RequestHandler,
} from '../../../../proxy/connection/handler.ts';
import { ByteBudget } from '../../../../runtime/index.ts';
import {
  type Proxied,
  proxied,
  replyFrame,
  requestFrame,
} from '../../../support/proxied-connection.ts';

const MIB = 1024 * 1024;
let open: Proxied[] = [];

async function connected(...args: Parameters<typeof proxied>): Promise<Proxied> {
  const all = await proxied(...args);
  open.push(all);
  return all;
}

afterEach(() => {
  for (const { end } of open) end();
  open = [];
});

/** A handler whose decisions the test makes, one by one. */
function manual(): { handler: RequestHandler; decide: ((handled: Handled) => void)[] } {
  const decide: ((handled: Handled) => void)[] = [];
  const handle = async (): Promise<Handled> => new Promise((resolve) => decide.push(resolve));
  return { handler: { handle }, decide };
}

function forward(correlationId: number, extra: Partial<Handled> = {}): Handled {
  return {
    kind: 'forward',
    frame: [requestFrame(correlationId)],
    reply: 'pass',
    ...extra,
  } as Handled;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await setImmediate();
}

test('bytes pass unchanged however they are split', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 0, max: 40 }), { minLength: 1, maxLength: 8 }),
      fc.integer({ min: 1, max: 7 }),
      async (sizes, pieceBytes) => {
        const { client, broker, end } = await proxied();
        const frames = sizes.map((size, index) => requestFrame(index, size));
        const stream = Buffer.concat(
          frames.flatMap((frame) => [Buffer.from([0, 0, 0, frame.length]), frame]),
        );
        client.socket.setNoDelay(true);
        for (let at = 0; at < stream.length; at += pieceBytes) {
          client.socket.write(stream.subarray(at, at + pieceBytes));
          await setImmediate();
        }
        for (const frame of frames) expect(await broker.frame()).toEqual(frame);
        broker.send(...sizes.map((size, index) => replyFrame(index, size)));
        for (const [index, size] of sizes.entries()) {
          expect(await client.frame()).toEqual(replyFrame(index, size));
        }
        end();
      },
    ),
    { numRuns: 15 },
  );
});

test('requests are forwarded in their order, whichever handler decides first', async () => {
  const { handler, decide } = manual();
  const { client, broker } = await connected(handler);
  client.send(requestFrame(1), requestFrame(2), requestFrame(3));
  await until(() => decide.length === 3);
  for (const index of [2, 1, 0]) decide[index]?.(forward(index + 1));
  for (const id of [1, 2, 3]) expect(await broker.frame()).toEqual(requestFrame(id));
});

test('a local answer waits for the answers to earlier requests', async () => {
  const handler: RequestHandler = {
    handle: (request) =>
      request.correlationId === 1
        ? { kind: 'forward', frame: [request.frame], reply: 'pass' }
        : { kind: 'answer', reply: { chunks: [replyFrame(request.correlationId)] } },
  };
  const { client, broker } = await connected(handler);
  client.send(requestFrame(1), requestFrame(2));
  expect(await broker.frame()).toEqual(requestFrame(1));
  expect(client.framesWaiting).toBe(0);
  broker.send(replyFrame(1));
  expect(await client.frame()).toEqual(replyFrame(1));
  expect(await client.frame()).toEqual(replyFrame(2));
});

test('a slow rewrite holds back later answers but not later requests', async () => {
  let finish: () => void = () => {};
  const rewritten = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const handler: RequestHandler = {
    handle: (request) => ({
      kind: 'forward',
      frame: [request.frame],
      reply:
        request.correlationId === 1
          ? async (frame) => {
              await rewritten;
              return { chunks: [frame] };
            }
          : 'pass',
    }),
  };
  const { client, broker } = await connected(handler);
  client.send(requestFrame(1), requestFrame(2));
  expect(await broker.frame()).toEqual(requestFrame(1));
  expect(await broker.frame()).toEqual(requestFrame(2));
  broker.send(replyFrame(1), replyFrame(2));
  expect(client.framesWaiting).toBe(0);
  finish();
  expect(await client.frame()).toEqual(replyFrame(1));
  expect(await client.frame()).toEqual(replyFrame(2));
});

test('a client that half-closes after requests without answers has them all forwarded', async () => {
  const { handler, decide } = manual();
  const { client, broker, closed } = await connected(handler);
  client.send(requestFrame(1), requestFrame(2));
  client.socket.end();
  await until(() => decide.length === 2);
  decide[0]?.(forward(1, { reply: 'none' }));
  decide[1]?.(forward(2, { reply: 'none' }));
  expect(await broker.frame()).toEqual(requestFrame(1));
  expect(await broker.frame()).toEqual(requestFrame(2));
  expect(await broker.frame()).toBeNull();
  broker.socket.end();
  await closed;
});

test('what a departed client had sent is answered by the broker before the broker is left', async () => {
  const outcomes: ForwardOutcome[] = [];
  const { client, broker, closed, requestBudget, replyBudget } = await connected({
    handle: (request) => ({
      kind: 'forward',
      frame: [request.frame],
      reply: 'pass',
      ended: (outcome) => outcomes.push(outcome),
    }),
  });
  client.send(requestFrame(1, 100_000));
  client.socket.end();
  expect(await broker.frame()).toEqual(requestFrame(1, 100_000));
  expect(outcomes).toEqual([]);
  broker.send(replyFrame(1, 100_000));
  expect(await broker.frame()).toBeNull();
  broker.socket.end();
  await closed;
  expect(outcomes).toEqual(['answered']);
  expect([requestBudget.bytesHeld, replyBudget.bytesHeld]).toEqual([0, 0]);
});

test('answers that the broker gave before it went reach the client', async () => {
  let finish: () => void = () => {};
  const outcomes: [number, ForwardOutcome][] = [];
  const handler: RequestHandler = {
    handle: ({ correlationId, frame }) => ({
      kind: 'forward',
      frame: [frame],
      reply: async (reply) => {
        await new Promise<void>((resolve) => {
          finish = resolve;
        });
        return { chunks: [reply] };
      },
      ended: (outcome) => outcomes.push([correlationId, outcome]),
    }),
  };
  const { client, broker, closed } = await connected(handler);
  client.send(requestFrame(1), requestFrame(2));
  await broker.frame();
  await broker.frame();
  broker.send(replyFrame(1, 50_000));
  broker.socket.end();
  await until(() => outcomes.length === 2);
  finish();
  expect(await client.frame()).toEqual(replyFrame(1, 50_000));
  expect(await client.frame()).toBeNull();
  client.socket.end();
  await closed;
  expect(outcomes).toEqual([
    [1, 'answered'],
    [2, 'lost'],
  ]);
});

test('a drained connection answers what it has taken and closes without a reset', async () => {
  const { client, broker, connection, closed } = await connected();
  client.send(requestFrame(1));
  expect(await broker.frame()).toEqual(requestFrame(1));
  connection.drain();
  client.send(requestFrame(2, 100_000));
  broker.send(replyFrame(1, 300_000));
  expect(await client.frame()).toEqual(replyFrame(1, 300_000));
  expect(await client.frame()).toBeNull();
  expect(await broker.frame()).toBeNull();
  client.socket.end();
  broker.socket.end();
  await closed;
});

test('a client that does not close after a drain is dropped after the linger', async () => {
  const { connection, closed, client } = await connected(undefined, { lingerMs: 1 });
  connection.drain();
  await closed;
  await client.closed;
});

test('a handler that asks for it has the connection closed after its answer', async () => {
  const { client, closed } = await connected({
    handle: () => ({ kind: 'answer', reply: { chunks: [replyFrame(1)] }, close: true }),
  });
  client.send(requestFrame(1));
  expect(await client.frame()).toEqual(replyFrame(1));
  expect(await client.frame()).toBeNull();
  client.socket.end();
  open[0]?.broker.socket.end();
  await closed;
});

test('a client that does not read stops the reading of the broker', async () => {
  const { client, broker, replyBudget } = await connected();
  client.socket.pause();
  const ids = Array.from({ length: 64 }, (_, index) => index);
  client.send(...ids.map((id) => requestFrame(id)));
  for (const id of ids) expect(await broker.frame()).toEqual(requestFrame(id));
  let sent = 0;
  broker.socket.setNoDelay(true);
  while (sent < ids.length && broker.socket.writableLength < 8 * MIB) {
    broker.send(replyFrame(sent, MIB));
    sent += 1;
    await setImmediate();
  }
  expect(sent).toBeLessThan(ids.length);
  expect(replyBudget.bytesHeld).toBeLessThan(16 * MIB);
  client.socket.resume();
  for (const id of ids.slice(0, sent)) expect((await client.frame())?.readInt32BE(0)).toBe(id);
  await until(() => replyBudget.bytesHeld === 0);
});

test('a broker that does not read stops the reading of the client', async () => {
  const { client, broker, requestBudget } = await connected();
  broker.socket.pause();
  let sent = 0;
  while (sent < 64 && client.socket.writableLength < 8 * MIB) {
    client.send(requestFrame(sent, MIB));
    sent += 1;
    await setImmediate();
  }
  expect(sent).toBeLessThan(64);
  expect(requestBudget.bytesHeld).toBeLessThan(16 * MIB);
  broker.socket.resume();
  for (let id = 0; id < sent; id++) expect((await broker.frame())?.readInt32BE(4)).toBe(id);
  await until(() => requestBudget.bytesHeld === 0);
});

test('no more than 128 requests of a client are taken before the first is answered', async () => {
  const { client, broker } = await connected();
  const ids = Array.from({ length: 200 }, (_, index) => index);
  client.send(...ids.map((id) => requestFrame(id)));
  for (const id of ids.slice(0, 128)) expect(await broker.frame()).toEqual(requestFrame(id));
  await setImmediate();
  expect(broker.framesWaiting).toBe(0);
  broker.send(...ids.slice(0, 128).map((id) => replyFrame(id)));
  for (const id of ids.slice(128)) expect(await broker.frame()).toEqual(requestFrame(id));
});

test('frames wait for the budget, small ones excepted, and all of them pass', async () => {
  const requestBudget = new ByteBudget(MIB);
  const { client, broker } = await connected(undefined, { requestBudget });
  const other = await connected(undefined, { requestBudget });
  await requestBudget.acquire(MIB);
  client.send(requestFrame(1, 100_000), requestFrame(2));
  other.client.send(requestFrame(3));
  expect(await other.broker.frame()).toEqual(requestFrame(3));
  await until(() => requestBudget.waiting === 1);
  expect(broker.framesWaiting).toBe(0);
  requestBudget.release(MIB);
  expect(await broker.frame()).toEqual(requestFrame(1, 100_000));
  expect(await broker.frame()).toEqual(requestFrame(2));
  await until(() => requestBudget.bytesHeld === 0);
});

test.each([
  ['a frame that is too large', Buffer.from([0x7f, 0xff, 0xff, 0xff])],
  ['a frame of negative length', Buffer.from([0xff, 0xff, 0xff, 0xff])],
  ['a frame without a header', Buffer.from([0, 0, 0, 1, 0])],
])('%s closes the connection and leaves no reservation', async (_name, bytes) => {
  const { client, closed, requestBudget } = await connected();
  client.socket.write(bytes);
  await closed;
  expect(requestBudget.bytesHeld).toBe(0);
});

test('a request that its handler refuses closes the connection and frees its bytes', async () => {
  for (const refuse of [
    (): Handled => {
      throw new Error('refused');
    },
    async (): Promise<Handled> => Promise.reject(new Error('refused')),
  ]) {
    const { client, closed, requestBudget } = await connected({ handle: refuse });
    client.send(requestFrame(1, 100_000));
    await closed;
    expect(requestBudget.bytesHeld).toBe(0);
  }
});

test('an API without a handler closes the connection and frees its bytes', async () => {
  const { client, closed, requestBudget } = await connected(undefined, {
    handlerOf: () => undefined,
  });
  client.send(requestFrame(1, 100_000));
  await closed;
  expect(requestBudget.bytesHeld).toBe(0);
});

test.each([
  ['with another correlation id', replyFrame(9, 100_000)],
  ['too short for a correlation id', Buffer.from([0])],
])('an answer %s closes the connection', async (_name, reply) => {
  const outcomes: ForwardOutcome[] = [];
  const { client, broker, closed, replyBudget } = await connected({
    handle: (request) => ({
      kind: 'forward',
      frame: [request.frame],
      reply: 'pass',
      ended: (outcome) => outcomes.push(outcome),
    }),
  });
  client.send(requestFrame(1));
  await broker.frame();
  broker.send(reply);
  await closed;
  expect(outcomes).toEqual(['lost']);
  expect(replyBudget.bytesHeld).toBe(0);
});

test('a rewrite that fails closes the connection and releases once', async () => {
  const { client, broker, closed, replyBudget } = await connected({
    handle: (request) => ({
      kind: 'forward',
      frame: [request.frame],
      reply: () => ({ chunks: [] }),
    }),
  });
  client.send(requestFrame(1));
  await broker.frame();
  broker.send(replyFrame(1, 100_000));
  await closed;
  expect(replyBudget.bytesHeld).toBe(0);
});

test('every forwarded request ends once, and every reply is released once', async () => {
  const handlers: RequestHandler = {
    handle: (request) => ({
      kind: 'forward',
      frame: [request.frame],
      reply: async (frame) => {
        await setImmediate();
        return { chunks: [frame], release: () => (released += 1) };
      },
      ended: (outcome) => outcomes.push(outcome),
    }),
  };
  let released = 0;
  const outcomes: ForwardOutcome[] = [];
  const { client, broker, connection, closed, requestBudget, replyBudget } =
    await connected(handlers);
  client.send(...[1, 2, 3, 4].map((id) => requestFrame(id, 20_000)));
  for (const id of [1, 2, 3, 4]) expect(await broker.frame()).toEqual(requestFrame(id, 20_000));
  broker.send(replyFrame(1, 20_000), replyFrame(2, 20_000));
  await client.frame();
  await client.frame();
  connection.destroy();
  connection.destroy();
  await closed;
  expect(outcomes).toEqual(['answered', 'answered', 'lost', 'lost']);
  expect(released).toBe(2);
  expect([requestBudget.bytesHeld, replyBudget.bytesHeld]).toEqual([0, 0]);
});
