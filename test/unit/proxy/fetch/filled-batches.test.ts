import { pino } from 'pino';
import { expect, test } from 'vitest';
import { BatchFiller } from '../../../../proxy/fetch/batch-filler.ts';
import type { LogBatch } from '../../../../proxy/fetch/log-batches.ts';
import { SlabPool } from '../../../../proxy/fetch/slab-pool.ts';
import { ByteBudget } from '../../../../runtime/index.ts';
import { putMergedFile } from '../../../support/stored-log-objects.ts';
import { NAME, StoredHarness, type Produced } from '../read/stored-harness.ts';

const MEBIBYTE = 1024 * 1024;
/** Room for 24 blocks of 64 KiB, of which a read of everything needs 60. */
const LAGGING_BYTES_MAX = 2 * MEBIBYTE;
const FILES = 20;
const BATCHES_PER_FILE = 4;
const VALUE_BYTES = 5_000;

function logBatchOf({ request, final }: Produced): LogBatch {
  return {
    bytes: request.placeholder,
    wanted: request,
    unknown: null,
    failure: null,
    isShared: false,
    realBytes: final.length,
    records: 1,
  };
}

test('answers that are made at once, from more than fits into memory, do not disturb each other', async () => {
  const harness = new StoredHarness({ laggingBytesMax: LAGGING_BYTES_MAX });
  const batches: Produced[] = [];
  for (let file = 0; file < FILES; file++) {
    batches.push(...harness.produce(BATCHES_PER_FILE, undefined, VALUE_BYTES));
  }
  const merged = batches.map((batch) => batch.merged);
  const extent = await putMergedFile(harness.bucket, NAME, 1, merged);
  harness.states.set(harness.view({ extents: [extent] }));
  harness.deleteWalFiles();
  const pool = new SlabPool(new ByteBudget(64 * MEBIBYTE));
  const filler = new BatchFiller(harness.resolver, pool, pino({ level: 'silent' }));
  const answer = async (from: number): Promise<boolean> => {
    const asked = batches.slice(from, from + 30);
    let chunks: readonly Buffer[] = [];
    const { reply } = await filler.fillBatches([asked.map(logBatchOf)], ([filled]) => {
      chunks = filled?.chunks ?? [];
      return { chunks };
    });
    const isRight = Buffer.concat(chunks).equals(Buffer.concat(asked.map(({ final }) => final)));
    reply.release?.();
    return isRight;
  };
  for (let round = 0; round < 5; round++) {
    const answers = await Promise.all([0, 10, 20, 30, 40, 50].map(answer));
    expect(answers).toEqual(answers.map(() => true));
  }
  expect(harness.store.gets.length).toBeGreaterThan(200);
});
