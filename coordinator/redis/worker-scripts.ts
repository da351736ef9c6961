/** As `scripts.ts`, for the scripts that only workers run. */
import type { CoordinatorKeys } from '../keys.ts';
import { Packer } from '../packing.ts';
import { loadLuaScript, type LuaScript } from './lua-script.ts';
import { runScript, type ScriptReply } from './script-reply.ts';
import type { RedisSession } from './session.ts';

const renewLeaseScript = loadLuaScript('renew-lease');
const releaseLeaseScript = loadLuaScript('release-lease');
const beatWorkerScript = loadLuaScript('beat-worker');
const readSettledScript = loadLuaScript('read-settled');
const forgetFilesScript = loadLuaScript('forget-files');
const applyGroupScript = loadLuaScript('apply-group');
const loadGroupScript = loadLuaScript('load-group');
const finishGroupLoadScript = loadLuaScript('finish-group-load');

/** The most files, and partitions, that one call may name: scripts hold up all others. */
export const FILES_PER_CALL_MAX = 128;
export const PARTITIONS_PER_CALL_MAX = 64;

/** A partition's field in the copy of its group; see `partition-record.ts`. */
export interface PackedPartition {
  readonly field: Buffer;
  /** Undefined for one that is gone. */
  readonly value: Buffer | undefined;
}

/** One of the steps in which a group's copy is brought from one number to another. */
export interface ApplyStep {
  readonly group: number;
  readonly before: number;
  readonly after: number;
  /** From 0. */
  readonly step: number;
  readonly isLast: boolean;
  /** 8 bytes, the same for all steps of a change. */
  readonly token: Buffer;
  readonly partitions: readonly PackedPartition[];
}

export class WorkerScripts {
  readonly #session: RedisSession;
  readonly #keys: CoordinatorKeys;

  constructor(session: RedisSession, keys: CoordinatorKeys) {
    this.#session = session;
    this.#keys = keys;
  }

  /** @returns whether the lease was still the holder's */
  async renewLease(name: string, holder: Buffer, expiryMs: number): Promise<boolean> {
    const argument = new Packer().u32(expiryMs).bytes(holder);
    const reply = await this.#run(renewLeaseScript, [this.#keys.lease(name)], argument);
    return reply.is('OK') || !reply.expect('LOST');
  }

  /** As `renewLease`. */
  async releaseLease(name: string, holder: Buffer): Promise<boolean> {
    const argument = new Packer().bytes(holder);
    const reply = await this.#run(releaseLeaseScript, [this.#keys.lease(name)], argument);
    return reply.is('OK') || !reply.expect('LOST');
  }

  /** @returns the worker's place among those that live */
  async beatWorker(worker: Buffer, expiryMs: number): Promise<{ count: number; rank: number }> {
    const argument = new Packer().u32(expiryMs).bytes(worker);
    const reply = await this.#run(beatWorkerScript, [this.#keys.workers], argument);
    reply.expect('OK');
    return { count: reply.number(1), rank: reply.number(2) };
  }

  /** @returns the number of the file settled last, and whether counting may go on behind it */
  async readSettled(): Promise<{ number: number; isCurrent: boolean }> {
    const reply = await this.#run(readSettledScript, [this.#keys.settled], new Packer());
    const isCurrent = reply.is('OK') || !reply.expect('STALE');
    return { number: reply.number(1), isCurrent };
  }

  /** @param fileIds at most `FILES_PER_CALL_MAX` */
  async forgetFiles(fileIds: readonly bigint[]): Promise<void> {
    const { files, filesUnsettled, filesSettled } = this.#keys;
    const argument = new Packer().u32(fileIds.length);
    for (const fileId of fileIds) argument.u64(fileId);
    const keys = [files, filesUnsettled, filesSettled];
    (await this.#run(forgetFilesScript, keys, argument)).expect('OK');
  }

  async applyGroup(step: ApplyStep): Promise<'ok' | 'applied' | 'behind'> {
    const { group, before, after, token, partitions } = step;
    const { changes, changesCount } = this.#keys;
    const argument = new Packer()
      .u32(group)
      .f64(before)
      .f64(after)
      .u32(step.step)
      .u8(step.isLast ? 1 : 0)
      .bytes(token);
    packValues(argument, partitions);
    const gone = partitions.filter(({ value }) => value === undefined);
    argument.u32(gone.length);
    for (const { field } of gone) argument.bytes(field);
    const keys = [this.#keys.group(group), changes, changesCount];
    const reply = await this.#run(applyGroupScript, keys, argument);
    if (reply.is('OK')) return 'ok';
    if (reply.is('APPLIED')) return 'applied';
    reply.expect('BEHIND');
    return 'behind';
  }

  /** @returns false if the steps before are not there */
  async loadGroup(
    group: number,
    token: Buffer,
    step: number,
    partitions: readonly PackedPartition[],
    expiryMs: number,
  ): Promise<boolean> {
    const argument = new Packer().u32(step).u32(expiryMs);
    packValues(argument, partitions);
    const reply = await this.#run(loadGroupScript, [this.#loadKey(group, token)], argument);
    return reply.is('OK') || !reply.expect('LOST');
  }

  async finishGroupLoad(
    group: number,
    token: Buffer,
    number: number,
    stepCount: number,
  ): Promise<'ok' | 'newer' | 'lost'> {
    const { changes, changesCount } = this.#keys;
    const load = this.#loadKey(group, token);
    const keys = [this.#keys.group(group), load, `${load}:old`, changes, changesCount];
    const argument = new Packer().u32(group).f64(number).u32(stepCount);
    const reply = await this.#run(finishGroupLoadScript, keys, argument);
    if (reply.is('OK')) return 'ok';
    if (reply.is('NEWER')) return 'newer';
    reply.expect('LOST');
    return 'lost';
  }

  #loadKey(group: number, token: Buffer): string {
    return this.#keys.groupLoad(group, token.toString('hex'));
  }

  async #run(script: LuaScript, keys: readonly string[], argument: Packer): Promise<ScriptReply> {
    return await runScript(this.#session, script, keys, argument);
  }
}

function packValues(argument: Packer, partitions: readonly PackedPartition[]): void {
  const present = partitions.filter(({ value }) => value !== undefined);
  argument.u32(present.length);
  for (const { field, value } of present) {
    if (value !== undefined) argument.bytes(field).sizedBytes(value);
  }
}
