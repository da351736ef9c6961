/**
 * One typed wrapper for each script: it packs the argument, names the keys and reads the reply. The
 * scripts' headers say what they do. Nothing else runs a script.
 */
import type { TopicRecord } from '../../storage/index.ts';
import type { PackedFile } from '../file-record.ts';
import type { CoordinatorKeys } from '../keys.ts';
import { formatMemberRecord, parseHeldMember, type HeldMember } from '../member-record.ts';
import { Packer } from '../packing.ts';
import { loadLuaScript, type LuaScript } from './lua-script.ts';
import { runScript, type ScriptReply } from './script-reply.ts';
import type { RedisSession } from './session.ts';

const beatMemberScript = loadLuaScript('beat-member');
const leaveMemberScript = loadLuaScript('leave-member');
const announceFileScript = loadLuaScript('announce-file');
const settleFileScript = loadLuaScript('settle-file');
const raiseSettledRangeScript = loadLuaScript('raise-settled-range');
const putTopicScript = loadLuaScript('put-topic');
const removeTopicScript = loadLuaScript('remove-topic');
const finishTopicLoadScript = loadLuaScript('finish-topic-load');
const readStateScript = loadLuaScript('read-state');

/** How many settled numbers a range has; as in `lua/lib/settled-range.lua`. */
export const SETTLED_RANGE_SIZE = 2 ** 36;
const UINT32_END = 2 ** 32;

export type BeatOutcome =
  | { readonly kind: 'ok' }
  | { readonly kind: 'conflict'; readonly held: HeldMember };

export type SettleOutcome =
  | { readonly kind: 'settled'; readonly number: number }
  | { readonly kind: 'unknown' }
  /** @see raiseSettledRange */
  | { readonly kind: 'stale'; readonly lastNumber: number };

/** Where Redis stands. */
export interface RedisState {
  /** The number of the last entry of the change stream. */
  readonly changeCount: number;
  /** Another one whenever Redis may have forgotten or gone back in time. */
  readonly replicationId: string;
  /** Whether the topics in Redis are those in the bucket. */
  readonly topicsLoaded: boolean;
}

export class CoordinatorScripts {
  readonly #session: RedisSession;
  readonly #keys: CoordinatorKeys;

  constructor(session: RedisSession, keys: CoordinatorKeys) {
    this.#session = session;
    this.#keys = keys;
  }

  /** @param expiryMs how long the member lives without another heartbeat */
  async beatMember({ incarnation, beat, record }: HeldMember, expiryMs: number) {
    const { members, memberDeadlines, memberClock, changes, changesCount } = this.#keys;
    const reply = await this.#run(
      beatMemberScript,
      [members, memberDeadlines, memberClock, changes, changesCount],
      new Packer()
        .u16(record.memberId)
        .u32(expiryMs)
        .bytes(incarnation)
        .u32(beat % UINT32_END)
        .sizedBytes(formatMemberRecord(record)),
    );
    if (reply.is('OK')) return { kind: 'ok' } satisfies BeatOutcome;
    reply.expect('CONFLICT');
    return { kind: 'conflict', held: parseHeldMember(reply.buffer(1)) } satisfies BeatOutcome;
  }

  /** @returns whether this process was the member */
  async leaveMember(memberId: number, incarnation: Buffer): Promise<boolean> {
    const { members, memberDeadlines, changes, changesCount } = this.#keys;
    const reply = await this.#run(
      leaveMemberScript,
      [members, memberDeadlines, changes, changesCount],
      new Packer().u16(memberId).bytes(incarnation),
    );
    return reply.is('OK') || !reply.expect('UNKNOWN');
  }

  /**
   * @param filesMax the most files that Redis keeps
   * @returns false if it keeps as many already
   */
  async announceFile(file: PackedFile, filesMax: number): Promise<boolean> {
    const { files, filesUnsettled, changes, changesCount } = this.#keys;
    const reply = await this.#run(
      announceFileScript,
      [files, filesUnsettled, changes, changesCount],
      new Packer()
        .u64(file.fileId)
        .f64(file.createdMs)
        .u32(filesMax)
        .sizedBytes(file.hint)
        .sizedBytes(file.record),
    );
    return reply.is('OK') || !reply.expect('FULL');
  }

  async settleFile(fileId: bigint): Promise<SettleOutcome> {
    const { files, filesUnsettled, filesSettled, settled } = this.#keys;
    const reply = await this.#run(
      settleFileScript,
      [files, filesUnsettled, filesSettled, settled],
      new Packer().u64(fileId),
    );
    if (reply.is('OK')) return { kind: 'settled', number: reply.number(1) };
    if (reply.is('UNKNOWN')) return { kind: 'unknown' };
    reply.expect('STALE');
    return { kind: 'stale', lastNumber: reply.number(1) };
  }

  /**
   * @param range one that was claimed in the bucket, above that of the last number
   * @returns false if it is not above it
   */
  async raiseSettledRange(range: number): Promise<boolean> {
    const argument = new Packer().u32(range);
    const reply = await this.#run(raiseSettledRangeScript, [this.#keys.settled], argument);
    return reply.is('OK') || !reply.expect('LOW');
  }

  /** @returns what became of it: in all three cases Redis is as new as the record, or newer */
  async putTopic(record: TopicRecord): Promise<'stored' | 'stale' | 'removed'> {
    const { topics, topicsRemoved, changes, changesCount } = this.#keys;
    const reply = await this.#run(
      putTopicScript,
      [topics, topicsRemoved, changes, changesCount],
      new Packer()
        .sizedBytes(record.topicId)
        .f64(record.version)
        .sizedBytes(JSON.stringify(record)),
    );
    if (reply.is('OK')) return 'stored';
    if (reply.is('STALE')) return 'stale';
    reply.expect('REMOVED');
    return 'removed';
  }

  async removeTopic(topicId: string): Promise<void> {
    const { topics, topicsRemoved, changes, changesCount } = this.#keys;
    const argument = new Packer().sizedBytes(topicId);
    const keys = [topics, topicsRemoved, changes, changesCount];
    const reply = await this.#run(removeTopicScript, keys, argument);
    reply.expect('OK');
  }

  /**
   * @param validMs how long the topics count as loaded
   * @param replicationId of Redis when the load began
   * @returns false if Redis may have forgotten some since
   */
  async finishTopicLoad(validMs: number, replicationId: string): Promise<boolean> {
    const { topicsLoaded, changes, changesCount } = this.#keys;
    const argument = new Packer().u32(validMs).sizedBytes(replicationId);
    const keys = [topicsLoaded, changes, changesCount];
    const reply = await this.#run(finishTopicLoadScript, keys, argument);
    return reply.is('OK') || !reply.expect('STALE');
  }

  async readState(): Promise<RedisState> {
    const { changesCount, topicsLoaded } = this.#keys;
    const reply = await this.#run(readStateScript, [changesCount, topicsLoaded], new Packer());
    reply.expect('OK');
    return {
      changeCount: Number(reply.buffer(1).toString('latin1')),
      replicationId: reply.buffer(2).toString('latin1'),
      topicsLoaded: reply.number(3) === 1,
    };
  }

  async #run(script: LuaScript, keys: readonly string[], argument: Packer): Promise<ScriptReply> {
    return await runScript(this.#session, script, keys, argument);
  }
}
