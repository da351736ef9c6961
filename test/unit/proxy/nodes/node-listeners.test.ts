import { once } from 'node:events';
import { type Server, type Socket, connect, createServer } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { afterEach, expect, test, vi } from 'vitest';
import { freePort, freePortRange } from '../../../../docker/local/ports.ts';
import type { Broker } from '../../../../kafka/index.ts';
import { forwardUntouched } from '../../../../proxy/connection/handler.ts';
import { ByteBudget } from '../../../../runtime/index.ts';
import { ServerTls } from '../../../../proxy/net/tls.ts';
import {
  NodeListeners,
  type NodeListenersOptions,
} from '../../../../proxy/nodes/node-listeners.ts';
import { UpstreamDialer } from '../../../../proxy/nodes/upstream-dialer.ts';
import { Peer, quiet, replyFrame, requestFrame } from '../../../support/proxied-connection.ts';

const HOST = '127.0.0.1';
const MIB = 1024 * 1024;
const cleanUps: (() => unknown)[] = [];

afterEach(async () => {
  vi.useRealTimers();
  for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
});

interface FakeBroker extends Broker {
  /** Resolves with the next connection that the broker accepts. */
  readonly accepted: () => Promise<Peer>;
  readonly server: Server;
}

async function fakeBroker(id: number): Promise<FakeBroker> {
  const server = createServer();
  const sockets: Peer[] = [];
  let wake: () => void = () => {};
  server.on('connection', (socket: Socket) => {
    sockets.push(new Peer(socket));
    cleanUps.push(() => socket.destroy());
    wake();
  });
  const port = await freePort();
  server.listen(port, HOST);
  await once(server, 'listening');
  cleanUps.push(() => server.close());
  const accepted = async (): Promise<Peer> => {
    for (;;) {
      const peer = sockets.shift();
      if (peer !== undefined) return peer;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
  return { id, host: HOST, port, rack: null, accepted, server };
}

async function listenersFor(
  brokers: readonly Broker[],
  extra: Partial<NodeListenersOptions> = {},
): Promise<NodeListeners> {
  const bootstrapPort = await freePort();
  const [first, last] = await freePortRange(2 * brokers.length);
  const cluster = { brokers, broker: (id: number) => brokers.find((broker) => broker.id === id) };
  const listeners = new NodeListeners({
    host: HOST,
    bootstrapPort,
    nodePorts: { first, last },
    tls: null,
    dialer: new UpstreamDialer({ cluster, tls: undefined, timeoutMs: 5_000 }),
    connectionsMax: 100,
    connection: {
      handlerOf: () => forwardUntouched,
      requestBudget: new ByteBudget(MIB),
      replyBudget: new ByteBudget(MIB),
      frameBytesMax: MIB,
      lingerMs: 30_000,
    },
    log: quiet,
    ...extra,
  });
  cleanUps.push(async () => listeners.drain(0));
  await listeners.openBootstrap();
  bootstrapPorts.set(listeners, bootstrapPort);
  return listeners;
}
const bootstrapPorts = new WeakMap<NodeListeners, number>();

function clientOf(port: number | undefined): Peer {
  const socket = connect({ host: HOST, port: port ?? 0 });
  cleanUps.push(() => socket.destroy());
  return new Peer(socket);
}

async function exchange(client: Peer, broker: FakeBroker, correlationId: number): Promise<Peer> {
  client.send(requestFrame(correlationId));
  const upstream = await broker.accepted();
  expect(await upstream.frame()).toEqual(requestFrame(correlationId));
  upstream.send(replyFrame(correlationId));
  expect(await client.frame()).toEqual(replyFrame(correlationId));
  return upstream;
}

test('each node leads to its broker', async () => {
  const brokers = [await fakeBroker(1), await fakeBroker(2)];
  const listeners = await listenersFor(brokers);
  await listeners.openNodes([2, 1]);
  expect(listeners.nodes.map(({ brokerId }) => brokerId)).toEqual([1, 2]);
  for (const [index, broker] of brokers.entries()) {
    const node = listeners.nodes[index];
    await exchange(clientOf(node?.classicPort), broker, 1);
    await exchange(clientOf(node?.disklessPort), broker, 2);
  }
  expect(listeners.connectionCount).toBe(4);
});

test('bootstrap clients are spread over the brokers, and sent past one that is down', async () => {
  const [one, two] = [await fakeBroker(1), await fakeBroker(2)];
  const listeners = await listenersFor([one, two]);
  const port = bootstrapPorts.get(listeners);
  clientOf(port);
  clientOf(port);
  await Promise.all([one.accepted(), two.accepted()]);
  one.server.close();
  for (const correlationId of [1, 2, 3]) await exchange(clientOf(port), two, correlationId);
});

test('a client of a broker that is down is disconnected, later ones are served again', async () => {
  const broker = await fakeBroker(1);
  const listeners = await listenersFor([broker]);
  await listeners.openNodes([1]);
  const port = listeners.nodes[0]?.classicPort;
  await new Promise((done) => broker.server.close(done));
  await clientOf(port).closed;
  broker.server.listen(broker.port, HOST);
  await once(broker.server, 'listening');
  await exchange(clientOf(port), broker, 1);
  expect(listeners.connectionCount).toBe(1);
});

test('a port that is taken is an error that names the port and its key', async () => {
  const listeners = await listenersFor([await fakeBroker(1), await fakeBroker(2)]);
  await expect(listeners.openBootstrap()).rejects.toMatchObject({
    code: 'PROXY_LISTEN_FAILED',
    message: expect.stringContaining(`${HOST}:${bootstrapPorts.get(listeners)} (listener.port)`),
  });
  await listeners.openNodes([1]);
  const taken = (listeners.nodes[0]?.disklessPort ?? 0) + 2;
  const squatter = createServer().listen(taken, HOST);
  await once(squatter, 'listening');
  await expect(listeners.openNodes([1, 2])).rejects.toMatchObject({
    code: 'PROXY_LISTEN_FAILED',
    message: expect.stringContaining(`${HOST}:${taken} (node.ports)`),
  });
  expect(listeners.nodes).toHaveLength(1);
  await new Promise((done) => squatter.close(done));
  await Promise.all([listeners.openNodes([1, 2]), listeners.openNodes([2, 1])]);
  expect(listeners.nodes).toHaveLength(2);
});

test('brokers that fit into the range get nodes although others do not', async () => {
  const listeners = await listenersFor([await fakeBroker(1), await fakeBroker(2)]);
  await expect(listeners.openNodes([1, 2, 3])).rejects.toMatchObject({
    code: 'PROXY_NODE_PORTS_EXHAUSTED',
  });
  expect(listeners.nodes.map(({ brokerId }) => brokerId)).toEqual([1, 2]);
});

test('connections beyond the limit are refused until others are gone', async () => {
  const broker = await fakeBroker(1);
  const listeners = await listenersFor([broker], { connectionsMax: 1 });
  const port = bootstrapPorts.get(listeners);
  const first = clientOf(port);
  const upstream = await exchange(first, broker, 1);
  await clientOf(port).closed;
  first.socket.end();
  await upstream.frame();
  upstream.socket.end();
  await expect.poll(() => listeners.connectionCount).toBe(0);
  await exchange(clientOf(port), broker, 2);
});

test('a drain answers what was taken, accepts nobody and waits for the last', async () => {
  const broker = await fakeBroker(1);
  const listeners = await listenersFor([broker]);
  const port = bootstrapPorts.get(listeners);
  const client = clientOf(port);
  client.send(requestFrame(1));
  const upstream = await broker.accepted();
  await upstream.frame();
  const drained = listeners.drain(30_000);
  await clientOf(port).closed;
  upstream.send(replyFrame(1));
  expect(await client.frame()).toEqual(replyFrame(1));
  expect(await client.frame()).toBeNull();
  client.socket.end();
  await drained;
  expect(listeners.connectionCount).toBe(0);
});

test('what does not finish within the deadline of a drain is dropped', async () => {
  const broker = await fakeBroker(1);
  const listeners = await listenersFor([broker]);
  const client = clientOf(bootstrapPorts.get(listeners));
  client.send(requestFrame(1));
  await broker.accepted();
  await listeners.drain(1);
  await client.closed;
});

test('a client that takes nothing gives way once others wait for the memory', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  const broker = await fakeBroker(1);
  const replyBudget = new ByteBudget(8 * MIB);
  const listeners = await listenersFor([broker], {
    connection: {
      handlerOf: () => forwardUntouched,
      requestBudget: new ByteBudget(MIB),
      replyBudget,
      frameBytesMax: 16 * MIB,
      lingerMs: 30_000,
    },
  });
  const port = bootstrapPorts.get(listeners);
  const slow = clientOf(port);
  slow.socket.pause();
  slow.send(requestFrame(1));
  const upstream = await broker.accepted();
  await upstream.frame();
  // More than the kernel takes, and all of the budget.
  upstream.send(replyFrame(1, 16 * MIB - 4));
  await expect.poll(() => replyBudget.bytesHeld).toBe(16 * MIB);
  await vi.advanceTimersByTimeAsync(120_000);
  expect(listeners.connectionCount).toBe(1);

  const other = clientOf(port);
  other.send(requestFrame(2));
  const otherUpstream = await broker.accepted();
  await otherUpstream.frame();
  otherUpstream.send(replyFrame(2, MIB));
  await expect.poll(() => replyBudget.waiting).toBe(1);
  // Counted from when the whole answer has come from the broker, which no event tells.
  while (other.framesWaiting === 0) {
    await vi.advanceTimersByTimeAsync(5_000);
    await setImmediate();
  }
  expect(await other.frame()).toEqual(replyFrame(2, MIB));
  await expect.poll(() => listeners.connectionCount).toBe(1);
});

test('half a request is waited for until others need its memory', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  const broker = await fakeBroker(1);
  const listeners = await listenersFor([broker]);
  const port = bootstrapPorts.get(listeners);
  const slow = clientOf(port);
  slow.socket.write(Buffer.from([0, 0x0f, 0xff, 0xff, 0]));
  await broker.accepted();
  await vi.advanceTimersByTimeAsync(120_000);
  const other = clientOf(port);
  other.send(requestFrame(2, 100_000));
  const upstream = await broker.accepted();
  while (!slow.socket.destroyed) {
    await vi.advanceTimersByTimeAsync(5_000);
    await setImmediate();
  }
  expect(await upstream.frame()).toEqual(requestFrame(2, 100_000));
});

test('files that hold no certificate are refused at start by name', async () => {
  const files = { certFile: '/does/not/exist.pem', keyFile: '/nor/this.pem' };
  await expect(ServerTls.load(files, quiet)).rejects.toMatchObject({
    code: 'PROXY_TLS_INVALID',
    message: expect.stringContaining('/does/not/exist.pem, /nor/this.pem'),
  });
});
