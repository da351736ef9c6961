/**
 * Entries of the change stream: one kind byte and a payload, written by `lua/lib/changes.lua` and
 * the scripts that include it.
 */
import { parseTopicRecord, type TopicRecord } from '../storage/index.ts';
import type { FileHint, MemberRecord } from './coordinator.ts';
import { readFileHint } from './file-record.ts';
import { parseMemberRecord } from './member-record.ts';
import { Unpacker } from './packing.ts';

const MEMBER = 1;
const MEMBER_GONE = 2;
const TOPIC = 3;
const TOPIC_GONE = 4;
const FILE = 5;
const TOPICS_LOADED = 6;
const GROUP = 7;

export type Change =
  | { readonly kind: 'member'; readonly record: MemberRecord }
  | { readonly kind: 'member-gone'; readonly memberId: number }
  | { readonly kind: 'topic'; readonly record: TopicRecord }
  | { readonly kind: 'topic-gone'; readonly topicId: string }
  | { readonly kind: 'file'; readonly file: FileHint }
  /** All topics of the bucket are in Redis. */
  | { readonly kind: 'topics-loaded' }
  /** Redis' copy of the partition group has moved on. */
  | { readonly kind: 'group'; readonly group: number }
  /** Written by a newer version; this one has no use for it. */
  | { readonly kind: 'unknown'; readonly code: number };

/** @throws `COORDINATOR_RECORD_MALFORMED`, `STORAGE_RECORD_CORRUPT` */
export function parseChange(packed: Buffer): Change {
  const unpacker = new Unpacker(packed);
  const code = unpacker.u8();
  switch (code) {
    case MEMBER:
      // The id is for readers that have no use for the record, in which it is too.
      unpacker.u16();
      return { kind: 'member', record: parseMemberRecord(unpacker.rest()) };
    case MEMBER_GONE:
      return { kind: 'member-gone', memberId: unpacker.u16() };
    case TOPIC:
      return { kind: 'topic', record: parseTopicRecord(unpacker.rest(), 'the change stream') };
    case TOPIC_GONE:
      return { kind: 'topic-gone', topicId: unpacker.rest().toString('utf8') };
    case FILE:
      return { kind: 'file', file: readFileHint(unpacker) };
    case TOPICS_LOADED:
      return { kind: 'topics-loaded' };
    case GROUP:
      return { kind: 'group', group: unpacker.u32() };
    default:
      return { kind: 'unknown', code };
  }
}
