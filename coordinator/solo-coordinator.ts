/**
 * The coordinator of a lone member without Redis: it is the only member, and what it announces
 * concerns nobody. There are no workers then, so nobody counts settled files either.
 */
import type { Logger } from 'pino';
import type { TopicRecord } from '../storage/index.ts';
import type {
  Coordinator,
  CoordinatorListener,
  CoordinatorStatus,
  FileAnnouncement,
  JoinOutcome,
  MemberRecord,
} from './coordinator.ts';
import { LocalView } from './local-view.ts';
import { checkMemberId } from './member-id.ts';
import type { TopicSource } from './topic-copy.ts';

export class SoloCoordinator implements Coordinator {
  readonly #view: LocalView;

  private constructor(view: LocalView) {
    this.#view = view;
  }

  /**
   * Reads the topics.
   *
   * @throws `STORAGE_…`
   */
  static async start(topicSource: TopicSource, logger: Logger): Promise<SoloCoordinator> {
    const view = new LocalView({ logger, monotonicMs: () => 0 });
    const records: TopicRecord[] = [];
    for await (const record of topicSource.list()) records.push(record);
    view.mergeTopics(records);
    return new SoloCoordinator(view);
  }

  async join(self: MemberRecord): Promise<JoinOutcome> {
    checkMemberId(self.memberId);
    this.#view.setSelf(self);
    return { kind: 'joined' };
  }

  update(self: MemberRecord): void {
    if (this.#view.self !== undefined) this.#view.setSelf(self);
  }

  async leave(): Promise<void> {
    this.#view.setSelf(undefined);
  }

  members(): readonly MemberRecord[] {
    return this.#view.members();
  }

  announceFile(_file: FileAnnouncement): void {
    // No other member could read it, and no worker looks after it.
  }

  settleFile(_fileId: bigint): void {
    // As above.
  }

  publishTopic(record: TopicRecord): void {
    this.#view.putTopic(record);
  }

  removeTopic(topicId: string): void {
    this.#view.removeTopic(topicId);
  }

  topics(): ReadonlyMap<string, TopicRecord> {
    return this.#view.topics();
  }

  subscribe(listener: CoordinatorListener): () => void {
    return this.#view.subscribe(listener);
  }

  status(): CoordinatorStatus {
    return {
      mode: 'solo',
      connected: true,
      lastContactMs: undefined,
      refusal: undefined,
      bufferedCount: 0,
      bufferedBytes: 0,
      droppedCount: 0,
    };
  }

  async close(): Promise<void> {
    // Nothing is held.
  }
}
