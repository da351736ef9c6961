/**
 * The topics room on a fake broker and an object store in memory, and a client's way through it.
 */
import { pino } from 'pino';
import { SoloCoordinator } from '../../coordinator/index.ts';
import {
  LENGTH_BYTES,
  parseRequestHeader,
  parseResponseHeader,
  requestFrame,
  responseHeader,
  type Message,
} from '../../kafka/index.ts';
import type {
  ConnectionContext,
  ForwardOutcome,
  RequestHandler,
} from '../../proxy/connection/handler.ts';
import { ClusterTopics } from '../../proxy/topics/cluster-topics.ts';
import { DefaultMarker } from '../../proxy/topics/default-marker.ts';
import { parseDisklessTopics } from '../../proxy/topics/diskless-topics.ts';
import type { LogEndsOf } from '../../proxy/topics/log-ends.ts';
import { TopicAdmin } from '../../proxy/topics/topic-admin.ts';
import { TopicCatalog } from '../../proxy/topics/topic-catalog.ts';
import { TopicRegister } from '../../proxy/topics/topic-register.ts';
import { storageError, type TopicRecord } from '../../storage/index.ts';
import { FakeConfigBroker } from './fake-config-broker.ts';

const log = pino({ level: 'silent' });

/** A clock that stands still until it is told otherwise. */
export class ManualClock {
  #nowMs = 1_000_000;
  #timers: { atMs: number; callback: () => void }[] = [];

  wallMs(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, callback: () => void): () => void {
    const timer = { atMs: this.#nowMs + delayMs, callback };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** Lets time pass, and what is due happen. */
  async pass(ms: number): Promise<void> {
    this.#nowMs += ms;
    const due = this.#timers.filter(({ atMs }) => atMs <= this.#nowMs);
    this.#timers = this.#timers.filter(({ atMs }) => atMs > this.#nowMs);
    for (const { callback } of due) callback();
    await settled();
  }
}

/** Waits until nothing that was begun in memory is left to do. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** The records of a bucket in memory, which can be made to fail. */
export class MemoryRecords {
  readonly byId = new Map<string, TopicRecord>();
  failing = false;

  async get(topicId: string): Promise<TopicRecord | undefined> {
    this.#check();
    return this.byId.get(topicId);
  }

  async put(record: TopicRecord): Promise<void> {
    this.#check();
    this.byId.set(record.topicId, record);
  }

  async delete(topicId: string): Promise<void> {
    this.#check();
    this.byId.delete(topicId);
  }

  async *list(): AsyncIterable<TopicRecord> {
    yield* this.byId.values();
  }

  #check(): void {
    if (this.failing) throw storageError('STORAGE_UNAVAILABLE', 'the store is away.');
  }
}

export interface Room {
  readonly broker: FakeConfigBroker;
  readonly records: MemoryRecords;
  readonly clock: ManualClock;
  readonly coordinator: SoloCoordinator;
  readonly catalog: TopicCatalog;
  readonly register: TopicRegister;
  readonly marker: DefaultMarker;
  readonly admin: TopicAdmin;
}

/**
 * @param patterns of `diskless.topics`
 * @param prepare called with the broker before anything is asked of it
 * @param rank how many other members there are with lower ids
 */
export async function openRoom(
  patterns: readonly string[] = [],
  prepare: (broker: FakeConfigBroker) => void = () => {},
  rank = 0,
): Promise<Room> {
  const broker = new FakeConfigBroker();
  prepare(broker);
  const records = new MemoryRecords();
  const clock = new ManualClock();
  const coordinator = await SoloCoordinator.start(records, log);
  const cluster = new ClusterTopics(broker.client);
  const logEnds: LogEndsOf = async (topic) => broker.logEnds.get(topic) ?? [0];
  const register = new TopicRegister({ records, coordinator, logEnds, clock });
  const disklessTopics = parseDisklessTopics(patterns);
  const catalog: TopicCatalog = new TopicCatalog({
    cluster,
    coordinator,
    clock,
    onLearned: (topic) => marker.onLearned(topic),
    log,
  });
  const marker: DefaultMarker = new DefaultMarker({
    cluster,
    register,
    disklessTopics,
    rank: () => rank,
    learn: (topics) => catalog.learn(topics),
    clock,
    log,
  });
  catalog.start();
  await marker.start();
  const admin = new TopicAdmin({ cluster, catalog, register, disklessTopics, clock, log });
  return { broker, records, clock, coordinator, catalog, register, marker, admin };
}

const connection: ConnectionContext = { node: { kind: 'bootstrap' }, log };
const CORRELATION_ID = 77;

/** What happens to a forwarded request instead of being answered. */
export type Accident = Exclude<ForwardOutcome, 'answered'>;

/**
 * Sends a request through a handler to the fake broker, as a client connection would.
 * @returns the client's answer; undefined after an accident
 */
export async function send<Input, Answer>(
  room: Room,
  handler: RequestHandler,
  api: { readonly request: Message<unknown, Input>; readonly response: Message<Answer> },
  apiVersion: number,
  body: Input,
  accident?: Accident,
): Promise<Answer | undefined> {
  const head = { apiVersion, correlationId: CORRELATION_ID, clientId: 'test' };
  const frame = Buffer.concat(requestFrame(api.request, head, body)).subarray(LENGTH_BYTES);
  const handled = await handler.handle({ ...parseRequestHeader(frame), frame }, connection);
  if (handled.kind !== 'forward') throw new Error('it was answered here');
  if (accident === 'unsent') {
    handled.ended?.(accident);
    return undefined;
  }
  const sent = Buffer.concat(handled.frame);
  const { apiKey, bodyOffset } = parseRequestHeader(sent);
  const answered = room.broker.answer(apiKey, apiVersion, sent.subarray(bodyOffset));
  handled.ended?.(accident ?? 'answered');
  if (accident !== undefined) return undefined;
  const header = responseHeader(apiKey, apiVersion, CORRELATION_ID);
  const reply = Buffer.concat([...header, answered]);
  const { reply: rewrite } = handled;
  const seen = typeof rewrite === 'function' ? await rewrite(reply) : { chunks: [reply] };
  if (seen === null) throw new Error('the client was sent nothing');
  const bytes = Buffer.concat(seen.chunks);
  const { correlationId, bodyOffset: at } = parseResponseHeader(bytes, apiKey, apiVersion);
  if (correlationId !== CORRELATION_ID) throw new Error(`correlation id ${correlationId}`);
  return api.response.decode(bytes, apiVersion, at);
}
