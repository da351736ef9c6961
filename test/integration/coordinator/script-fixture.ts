/** A fresh set of keys for scripts to work on, and what they left there. */
import { expect, inject } from 'vitest';
import { type Change, parseChange } from '../../../coordinator/change-record.ts';
import { packFile, parseFileRecord } from '../../../coordinator/file-record.ts';
import { coordinatorKeys } from '../../../coordinator/keys.ts';
import { parseHeldMember } from '../../../coordinator/member-record.ts';
import { readHash } from '../../../coordinator/redis/read-hash.ts';
import { CoordinatorScripts } from '../../../coordinator/redis/scripts.ts';
import type { RedisSession } from '../../../coordinator/redis/session.ts';
import { file, member, newClusterId, openSession } from './support.ts';

export const EXPIRY_MS = 60_000;
export const FILES_MAX = 1_000;

export async function sharedSession(): Promise<RedisSession> {
  return openSession(inject('redis').url);
}

export class ScriptFixture {
  readonly session: RedisSession;
  readonly keys = coordinatorKeys('scripts', newClusterId());
  readonly scripts: CoordinatorScripts;

  constructor(session: RedisSession) {
    this.session = session;
    this.scripts = new CoordinatorScripts(session, this.keys);
  }

  async beat(memberId: number, number = 0): Promise<void> {
    const heartbeat = {
      incarnation: incarnationOf(memberId),
      beat: number,
      record: member(memberId),
    };
    expect(await this.scripts.beatMember(heartbeat, EXPIRY_MS)).toEqual({ kind: 'ok' });
  }

  /** Sets a member's deadline into the past, which is what its silence would do. */
  async expire(memberId: number): Promise<void> {
    await this.session.call('ZADD', [this.keys.memberDeadlines, 'XX', 1, memberId]);
  }

  async settledFile(fileId: bigint): Promise<number> {
    await this.scripts.raiseSettledRange(1);
    await this.scripts.announceFile(packFile(file(fileId)), FILES_MAX);
    const outcome = await this.scripts.settleFile(fileId);
    if (outcome.kind !== 'settled') throw new Error(`not settled: ${outcome.kind}`);
    return outcome.number;
  }

  async keptFile(fileId: bigint): Promise<ReturnType<typeof parseFileRecord> | undefined> {
    const packed = await this.session.call('HGET', [this.keys.files, idBytes(fileId)]);
    return Buffer.isBuffer(packed) ? parseFileRecord(fileId, packed) : undefined;
  }

  async unsettled(): Promise<[bigint, number][]> {
    const reply = await this.session.call('ZRANGE', [
      this.keys.filesUnsettled,
      0,
      -1,
      'WITHSCORES',
    ]);
    const values = Array.isArray(reply) ? reply.filter((value) => Buffer.isBuffer(value)) : [];
    return Array.from({ length: values.length / 2 }, (_, index) => {
      const id = values[2 * index] ?? Buffer.alloc(8);
      return [id.readBigUInt64BE(), Number(values[2 * index + 1])];
    });
  }

  async heldMembers(): Promise<Map<string, ReturnType<typeof parseHeldMember>>> {
    const held = await readHash(this.session, this.keys.members);
    return new Map([...held].map(([id, value]) => [id, parseHeldMember(value)]));
  }

  /** All changes so far; their numbers have no gaps. */
  async changes(): Promise<Change[]> {
    const reply = await this.session.call('XRANGE', [this.keys.changes, '-', '+']);
    if (!Array.isArray(reply)) throw new Error('not a stream');
    return reply.map((entry: unknown, index) => {
      const [id, fields]: unknown[] = Array.isArray(entry) ? entry : [];
      expect(String(id)).toBe(`${index + 1}-0`);
      const packed: unknown = Array.isArray(fields) ? fields[1] : undefined;
      if (!Buffer.isBuffer(packed)) throw new Error('not a change');
      return parseChange(packed);
    });
  }
}

export function incarnationOf(memberId: number): Buffer {
  return Buffer.alloc(8, 100 + memberId);
}

function idBytes(fileId: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(fileId);
  return bytes;
}
