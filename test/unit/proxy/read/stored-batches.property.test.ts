import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { buildRecordBatch } from '../../../../kafka/index.ts';
import { complete } from '../../../../proxy/read/lookup.ts';
import { ObjectReader } from '../../../../proxy/read/object-reader.ts';
import { StoredBatches } from '../../../../proxy/read/stored-batches.ts';
import { ByteBudget } from '../../../../runtime/index.ts';
import type { GetOutcome, RangeOptions } from '../../../../storage/index.ts';
import { MemoryStore } from '../../storage/memory-store.ts';

const KEY = 'merged/0/object';
/** The smallest that blocks are; four of them fit into memory. */
const BLOCK_BYTES = 64 * 1024;
const BYTES_MAX = 4 * BLOCK_BYTES;
const BATCHES = 60;
const BATCH_BYTES_MAX = 100_000;
const EMPTY = Buffer.alloc(0);

/** Notes whose memory bytes were read into. */
class WatchedStore extends MemoryStore {
  readonly memories = new Set<ArrayBufferLike>();
  reads = 0;

  override async getRange(
    key: string,
    position: number,
    length: number,
    options?: RangeOptions,
  ): Promise<GetOutcome> {
    const outcome = await super.getRange(key, position, length, options);
    this.reads++;
    if (outcome.kind === 'found') this.memories.add(outcome.bytes.buffer);
    return outcome;
  }
}

/** An object of batches, none like another. */
function siteOf(valueBytes: (index: number) => number) {
  const batches = Array.from({ length: BATCHES }, (_, index) => {
    const value = Buffer.alloc(valueBytes(index), `${index} `);
    return buildRecordBatch({ baseTimestamp: BigInt(index) }, [{ value }]);
  });
  const positions: number[] = [];
  let end = 0;
  for (const batch of batches) {
    positions.push(end);
    end += batch.length;
  }
  const store = new WatchedStore();
  store.set(KEY, Buffer.concat(batches));
  const loadBudget = new ByteBudget(BYTES_MAX);
  const stored = new StoredBatches(new ObjectReader({ store, loadBudget }), BYTES_MAX);
  const piece = { key: KEY, start: 0, end, next: null };
  const read = async (index: number): Promise<Buffer> => {
    const settled = await complete(() => stored.at(piece, positions[index] ?? 0));
    if (settled.kind !== 'found') throw new TypeError(`batch ${index} is ${settled.kind}`);
    return settled.value;
  };
  return { batches, store, stored, read };
}

test('a batch stays what it was until it is given back, whatever else is read', async () => {
  const kind = fc.constantFrom('read', 'read', 'giveBack', 'giveBack', 'readOn' as const);
  const step = fc.record({ kind, at: fc.nat(BATCHES - 1) });
  const run = async (
    sizes: readonly number[],
    steps: readonly { readonly kind: string; readonly at: number }[],
  ): Promise<void> => {
    const { batches, stored, read } = siteOf((index) => sizes[index % sizes.length] ?? 1);
    const held: { readonly index: number; readonly batch: Buffer }[] = [];
    for (const { kind, at } of steps) {
      if (kind === 'read') held.push({ index: at, batch: await read(at) });
      if (kind === 'giveBack') {
        for (const { batch } of held.splice(at % Math.max(1, held.length), 1)) {
          stored.giveBack(batch);
        }
      }
      const end = kind === 'readOn' ? BATCHES : at;
      for (let index = at; index < end; index++) {
        const batch = await read(index);
        expect(batch.equals(batches[index] ?? EMPTY)).toBe(true);
        stored.giveBack(batch);
      }
      for (const { index, batch } of held) expect(batch.equals(batches[index] ?? EMPTY)).toBe(true);
    }
  };
  const sizes = fc.array(fc.integer({ min: 1, max: BATCH_BYTES_MAX }), {
    minLength: 1,
    maxLength: 10,
  });
  await fc.assert(fc.asyncProperty(sizes, fc.array(step, { maxLength: 30 }), run), {
    numRuns: 60,
  });
});

test('whoever gives back reads any amount in the same memory', async () => {
  const { store, stored, read } = siteOf(() => 20_000);
  for (let round = 0; round < 5; round++) {
    for (let index = 0; index < BATCHES; index++) stored.giveBack(await read(index));
  }
  // Besides those in memory: one on its way, one read ahead, and the object's end in each round.
  expect(store.reads).toBeGreaterThan(80);
  expect(store.memories.size).toBeLessThan(BYTES_MAX / BLOCK_BYTES + 2 + 5 + 1);
});
