/**
 * What strangers send to a member: whatever it is costs one connection at most, and the member goes
 * on. The fuzz prints its seed; set SEED to see the same again.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { afterAll, afterEach, beforeAll, expect, inject, test, vi } from 'vitest';
import { runDir } from '../../docker/local/cache.ts';
import { localCertificate } from '../../docker/local/certificate.ts';
import { type Outrigger, startOutrigger } from '../../docker/local/outrigger.ts';
import {
  ApiKey,
  apis,
  FrameSplitter,
  KafkaErrorCode,
  type Message,
  type MessageInput,
  requestFrame,
} from '../../kafka/index.ts';
import {
  createTopic,
  endpointOf,
  LEVEL_ERROR,
  type LogEntry,
  logOf,
} from '../faults/support/site.ts';
import { sendStrangeRequests } from '../faults/support/strange-requests.ts';
import { kcatConsume, kcatProduce } from './support/kcat.ts';
import { startMember } from './support/start-member.ts';

const SEED = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);
/** pino's number. */
const LEVEL_DEBUG = 20;
const FRAME_BYTES_MAX = 16 * 1024 * 1024;
const PATIENCE = { timeout: 10_000, interval: 50 } as const;
const STRANGE_REQUESTS = 300;
const VALUES = Array.from({ length: 50 }, (_, index) => `value ${index} `.padEnd(200, '.'));

let member: Outrigger;
let topic: string;
let entriesBefore = 0;
const open: Socket[] = [];

beforeAll(async () => {
  member = await startOutrigger({
    kafkaBootstrap: inject('kafka').bootstrap,
    storeUrl: `file://${await runDir('store')}`,
    configs: { 'log.level': 'trace' },
  });
  topic = await createTopic(member.bootstrap, { partitions: 1 });
  await kcatProduce(member.bootstrap, topic, VALUES);
  entriesBefore = (await logOf(member)).length;
});

afterEach(async () => {
  for (const socket of open.splice(0)) socket.destroy();
  // Whatever was sent, the member serves those who behave.
  expect(await kcatConsume(member.bootstrap, topic)).toEqual(VALUES);
  const entries = await newEntries();
  expect(entries.filter(({ level }) => level >= LEVEL_ERROR)).toEqual([]);
  // An error without a code is a mistake of ours.
  expect(entries.filter(({ err }) => err !== undefined && err.code === undefined)).toEqual([]);
  entriesBefore += entries.length;
});

afterAll(async () => {
  await member.stop();
});

async function newEntries(): Promise<LogEntry[]> {
  return (await logOf(member)).slice(entriesBefore);
}

async function connected(): Promise<Socket> {
  const socket = connect({ ...endpointOf(member.bootstrap), noDelay: true });
  open.push(socket);
  // That the member resets a connection is one of the ways in which it may end it.
  socket.on('error', () => socket.destroy());
  await once(socket, 'connect');
  return socket;
}

/** @returns the frames that came until the member closed the connection */
async function untilClosed(socket: Socket): Promise<Buffer[]> {
  const splitter = new FrameSplitter(FRAME_BYTES_MAX);
  const frames: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => frames.push(...splitter.push(chunk)));
  await once(socket, 'close');
  return frames;
}

function frameOf<Input>(message: Message<unknown, Input>, apiVersion: number, body: Input): Buffer {
  const head = { apiVersion, correlationId: 7, clientId: 'stranger' };
  return Buffer.concat(requestFrame(message, head, body));
}

/** The header of a request and nothing behind it, with its length. */
function bareRequest(apiKey: number, apiVersion: number): Buffer {
  const frame = Buffer.alloc(14);
  frame.writeInt32BE(frame.length - 4, 0);
  frame.writeInt16BE(apiKey, 4);
  frame.writeInt16BE(apiVersion, 6);
  frame.writeInt32BE(7, 8);
  frame.writeInt16BE(-1, 12);
  return frame;
}

const UNKNOWN_API_KEY = 9_999;
const STRANGERS: readonly (readonly [string, Buffer])[] = [
  ['a frame longer than any', Buffer.from('7fffffff00', 'hex')],
  ['a frame of negative length', Buffer.from('ffffffff00', 'hex')],
  ['an empty frame', Buffer.from('00000000', 'hex')],
  ['a frame too short for a header', Buffer.from('000000020003', 'hex')],
  ['a client id longer than the frame', Buffer.from('0000000a00030001000000077fff', 'hex')],
  ['a browser', Buffer.from('GET / HTTP/1.1\r\nHost: kafka\r\n\r\n')],
  ['an unknown API', bareRequest(UNKNOWN_API_KEY, 0)],
  ['an API of brokers and controllers', bareRequest(ApiKey.BrokerRegistration, 0)],
  ['a version that was not offered', bareRequest(ApiKey.Metadata, 99)],
  ['a request without its body', bareRequest(ApiKey.Produce, 9)],
];

test.each(STRANGERS)('%s is told of once, and its connection closed', async (_what, bytes) => {
  const socket = await connected();
  socket.write(bytes);
  expect(await untilClosed(socket)).toEqual([]);
  // The log is written a moment later.
  await vi.waitFor(async () => {
    const entries = (await newEntries()).filter(({ level }) => level > LEVEL_DEBUG);
    expect(entries.map(({ err }) => err?.code)).toEqual([
      expect.stringMatching(/^(PROXY_CLIENT_PROTOCOL|KAFKA_FRAME_MALFORMED)$/),
    ]);
  }, PATIENCE);
});

test('a TLS client on a port without TLS is refused, as is a plain one on a port with it', async () => {
  const { certFile, keyFile } = await localCertificate();
  const toPlain = connectTls({ ...endpointOf(member.bootstrap), rejectUnauthorized: false });
  await expect(once(toPlain, 'secureConnect')).rejects.toThrow();
  const withTls = await startMember({
    'kafka.bootstrap.servers': inject('kafka').bootstrap,
    'listener.ssl.certificate.location': certFile,
    'listener.ssl.key.location': keyFile,
  });
  const toTls = connect(endpointOf(withTls.bootstrap));
  toTls.write(frameOf(apis.Metadata.request, 1, { topics: null }));
  await once(toTls, 'close');
  await withTls.stop();
});

test('connections that begin a request and leave it at that hold up nobody', async () => {
  const whole = frameOf(apis.Metadata.request, 1, { topics: null });
  const announced = Buffer.alloc(4);
  announced.writeInt32BE(8 * 1024 * 1024);
  for (let i = 0; i < 100; i++) {
    const socket = await connected();
    socket.write(i % 2 === 0 ? whole.subarray(0, whole.length - 1) : announced);
  }
});

test('a client that half-closes at once, and one that resets, cost nothing', async () => {
  const socket = await connected();
  socket.end(frameOf(apis.Metadata.request, 1, { topics: null }));
  await untilClosed(socket);
  const gone = await connected();
  gone.write(frameOf(apis.Metadata.request, 1, { topics: null }));
  gone.resetAndDestroy();
});

test('what cannot be served on diskless topics is refused with an error of Kafka', async () => {
  const old: MessageInput<typeof apis.Fetch.request> = {
    maxWaitMs: 0,
    minBytes: 0,
    topics: [{ topic, partitions: [{ partition: 0, fetchOffset: 0n, partitionMaxBytes: 1_000 }] }],
  };
  const socket = await connected();
  socket.write(frameOf(apis.Fetch.request, 3, old));
  const [frame] = await once(socket, 'data');
  const { responses } = apis.Fetch.response.decode(frame.subarray(8), 3);
  expect(responses[0]?.partitions[0]?.errorCode).toBe(KafkaErrorCode.UNSUPPORTED_VERSION);
});

test('a SASL handshake of the old kind is refused, and the connection closed', async () => {
  const socket = await connected();
  socket.write(frameOf(apis.SaslHandshake.request, 0, { mechanism: 'PLAIN' }));
  const [frame] = await untilClosed(socket);
  const { errorCode } = apis.SaslHandshake.response.decode(
    frame?.subarray(4) ?? Buffer.alloc(0),
    0,
  );
  expect(errorCode).toBe(KafkaErrorCode.UNSUPPORTED_VERSION);
});

test(`no request, however strange, ends the member (seed ${SEED})`, async () => {
  await sendStrangeRequests(member.bootstrap, SEED, STRANGE_REQUESTS);
  expect(member.pid()).toBeDefined();
});
