/**
 * WAL files that are damaged in the store or gone from it: an alarm, an error for whoever asks for
 * them, nothing for the others, and nothing lost once they are put back.
 */
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, test, vi } from 'vitest';
import { runDir } from '../../docker/local/cache.ts';
import { type Outrigger, startOutrigger } from '../../docker/local/outrigger.ts';
import { completeBatches, KafkaErrorCode, lastOffset } from '../../kafka/index.ts';
import {
  createTopic,
  fetchFrom,
  LEVEL_ERROR,
  type LogEntry,
  logOf,
} from '../faults/support/site.ts';
import { kcatConsume, kcatProduce } from './support/kcat.ts';

const PATIENCE = { timeout: 10_000, interval: 50 } as const;
const VALUES_PER_FILE = 100;

let storeDir: string;
let member: Outrigger;

beforeAll(async () => {
  storeDir = await runDir('store');
  member = await startOutrigger({
    kafkaBootstrap: inject('kafka').bootstrap,
    storeUrl: `file://${storeDir}`,
  });
});

afterAll(async () => {
  await member.stop();
});

function valuesOf(topic: string, file: number): string[] {
  return Array.from({ length: VALUES_PER_FILE }, (_, i) =>
    `${topic} ${file} ${i} `.padEnd(300, '.'),
  );
}

/** @returns the paths of the WAL files with batches of a topic, the oldest first */
async function walFilesOf(topic: string): Promise<string[]> {
  const folder = join(storeDir, 'wal');
  const found: string[] = [];
  for (const name of (await readdir(folder)).sort((a, b) => a.localeCompare(b))) {
    const path = join(folder, name);
    if ((await readFile(path)).includes(topic)) found.push(path);
  }
  return found;
}

async function alarms(): Promise<LogEntry[]> {
  return (await logOf(member)).filter(({ level }) => level > LEVEL_ERROR);
}

const HARMS = {
  damaged: {
    code: 'PROXY_OBJECT_CORRUPT',
    harm: async (path: string, bytes: Buffer): Promise<void> => {
      const damaged = Buffer.from(bytes);
      const at = Math.floor(damaged.length / 2);
      damaged.writeUInt8(damaged.readUInt8(at) ^ 1, at);
      await writeFile(path, damaged);
    },
  },
  gone: { code: 'PROXY_OBJECT_MISSING', harm: async (path: string) => rm(path) },
} as const;

test.for(['damaged', 'gone'] as const)(
  'a WAL file that is %s is an alarm, stops only who needs it, and can be put back',
  async (what) => {
    const { code, harm } = HARMS[what];
    const [broken, sound] = [
      await createTopic(member.bootstrap, { partitions: 1 }),
      await createTopic(member.bootstrap, { partitions: 1 }),
    ];
    for (const file of [0, 1, 2])
      await kcatProduce(member.bootstrap, broken, valuesOf(broken, file));
    await kcatProduce(member.bootstrap, sound, valuesOf(sound, 0));
    const [, second = ''] = await walFilesOf(broken);
    const bytes = await readFile(second);

    await member.stop();
    const alarmsBefore = (await alarms()).length;
    await harm(second, bytes);
    await member.start();

    const beginning = await fetchFrom(member.bootstrap, broken, 0n);
    expect(beginning.errorCode).toBe(KafkaErrorCode.NONE);
    const [last] = [...completeBatches(beginning.records)].toReversed();
    expect(last).toBeDefined();
    const next = last === undefined ? 0n : lastOffset(last) + 1n;
    expect(next).toBeLessThanOrEqual(BigInt(VALUES_PER_FILE));
    const refused = await fetchFrom(member.bootstrap, broken, BigInt(VALUES_PER_FILE));
    expect(refused.errorCode).toBe(KafkaErrorCode.KAFKA_STORAGE_ERROR);
    expect(refused.records).toHaveLength(0);
    expect(await kcatConsume(member.bootstrap, sound)).toEqual(valuesOf(sound, 0));

    const consuming = kcatConsume(member.bootstrap, broken);
    // The log is written a moment later.
    await vi.waitFor(async () => {
      const raised = (await alarms()).slice(alarmsBefore);
      expect(raised.map(({ err }) => err?.code)).toEqual([code]);
      expect(raised[0]?.msg).toMatch(/^ALARM/);
    }, PATIENCE);
    const stillRefused = await fetchFrom(member.bootstrap, broken, BigInt(VALUES_PER_FILE));
    expect(stillRefused.errorCode).toBe(KafkaErrorCode.KAFKA_STORAGE_ERROR);

    await writeFile(second, bytes);
    expect(await consuming).toEqual([0, 1, 2].flatMap((file) => valuesOf(broken, file)));
  },
);
