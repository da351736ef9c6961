import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseWalFile, readWalFrame, walFrameBytes } from '../../../../storage/index.ts';
import type { WalBatch } from '../../../../storage/index.ts';
import { DOWN, SOUND, type Fault } from './faulty-object-store.ts';
import { batchOf, WriterHarness, type Held } from './writer-harness.ts';

const LINGER_MS = 250;
const FILE_BYTES_MAX = 2_000;
const UPLOADS_MAX = 3;
const PUTS_PER_SECOND = 4;

const step = fc.record({
  waitMs: fc.oneof(
    fc.constant(0),
    fc.integer({ min: 0, max: 30 }),
    fc.integer({ min: 0, max: 900 }),
  ),
  batches: fc.array(
    fc.record({
      bytes: fc.oneof(fc.integer({ min: 8, max: 300 }), fc.integer({ min: 8, max: 4_000 })),
      topic: fc.constantFrom('a', 'topic-b'),
      partition: fc.integer({ min: 0, max: 2 }),
    }),
    { minLength: 1, maxLength: 4 },
  ),
});
const steps = fc.array(step, { maxLength: 40 });
type Script = typeof steps extends fc.Arbitrary<infer Value> ? Value : never;

const quick = fc.integer({ min: 0, max: 30 }).map((afterMs): Fault => ({ kind: 'none', afterMs }));
const slow = fc
  .integer({ min: 0, max: 1_500 })
  .map((afterMs): Fault => ({ kind: 'none', afterMs }));
const fault = fc.oneof(
  { weight: 6, arbitrary: slow },
  fc.constant<Fault>({ kind: 'exists' }),
  fc.constant<Fault>(DOWN),
  fc.boolean().map((stores): Fault => ({ kind: 'hangs', stores })),
);

interface Offered {
  readonly batches: readonly WalBatch[];
  readonly atMs: number;
  readonly held: Held;
}

async function play(harness: WriterHarness, script: Script): Promise<Offered[]> {
  const offered: Offered[] = [];
  for (const { waitMs, batches } of script) {
    await harness.clock.advance(waitMs);
    const made = batches.map(({ bytes, topic, partition }) => batchOf(bytes, topic, partition));
    const atMs = harness.clock.monotonicMs();
    const held = harness.offerIfUp(made);
    if (held !== undefined) offered.push({ batches: made, atMs, held });
  }
  await harness.clock.advance(60_000);
  return offered;
}

function frameBytesOf(batches: readonly WalBatch[]): number {
  return batches.reduce((sum, { topic, bytes }) => sum + walFrameBytes(topic, bytes.length), 0);
}

const LIMITS = {
  lingerMs: LINGER_MS,
  maxBytes: FILE_BYTES_MAX,
  bufferBytesMax: 1_000_000,
  uploadsMax: UPLOADS_MAX,
  putsPerSecond: PUTS_PER_SECOND,
};

test('whatever the store does, a stored request is in one announced file, whole, and no other', async () => {
  await fc.assert(
    fc.asyncProperty(steps, fc.infiniteStream(fault), async (script, faults) => {
      const harness = new WriterHarness({ ...LIMITS, putTimeoutMs: 500 });
      harness.store.onPut = () => faults.next().value ?? SOUND;
      const offered = await play(harness, script);

      const announced = new Set(harness.announced.map((file) => file.fileId));
      const filesOf = new Map<string, number>();
      for (const { batches, held } of offered) {
        const { outcome } = held;
        expect(outcome).not.toBe(undefined);
        if (outcome?.kind !== 'stored') continue;
        expect(announced.has(outcome.fileId)).toBe(true);
        for (const [index, batch] of batches.entries()) {
          expect(harness.batchAt(outcome, index, batch).equals(batch.bytes)).toBe(true);
          filesOf.set(batch.bytes.toString('hex', 0, 4), 0);
        }
        outcome.share.ended('answered');
      }
      for (const [fileId, file] of harness.cached) {
        expect(announced.has(fileId)).toBe(true);
        for (const { topic, partition, frames } of parseWalFile(file).partitions) {
          for (const { position, length } of frames) {
            const batch = readWalFrame(file, position, length, topic, partition);
            const name = batch.toString('hex', 0, 4);
            filesOf.set(name, (filesOf.get(name) ?? 0) + 1);
          }
        }
      }
      expect([...filesOf.values()].every((files) => files === 1)).toBe(true);
      expect(new Set(harness.settled)).toEqual(announced);
      expect(harness.writer.stats).toMatchObject({ bufferedBytes: 0, uploadsInFlight: 0 });
    }),
  );
});

test('no request is held beyond its linger but for want of a slot, and no file outgrows its limit', async () => {
  await fc.assert(
    fc.asyncProperty(steps, fc.infiniteStream(slow), async (script, durations) => {
      const harness = new WriterHarness(LIMITS);
      const endsMs: number[] = [];
      harness.store.onPut = () => {
        const next = durations.next().value ?? SOUND;
        const afterMs = next.kind === 'none' ? next.afterMs : 0;
        endsMs.push(harness.clock.monotonicMs() + afterMs);
        return { kind: 'none', afterMs };
      };
      const offered = await play(harness, script);

      const requestsOf = new Map<bigint, Offered[]>();
      for (const one of offered) {
        const { outcome } = one.held;
        if (outcome?.kind !== 'stored') throw new TypeError('a sound store stores');
        requestsOf.set(outcome.fileId, [...(requestsOf.get(outcome.fileId) ?? []), one]);
      }
      const files = [...requestsOf.entries()].sort(
        ([a], [b]) => Number(a & 0x3fffffn) - Number(b & 0x3fffffn),
      );
      expect(files).toHaveLength(harness.store.puts.length);
      const inFlightAt = (atMs: number): number =>
        harness.store.puts.filter((put, at) => put.atMs <= atMs && (endsMs[at] ?? 0) > atMs).length;
      for (const [index, [, requests]] of files.entries()) {
        const startMs = harness.store.puts[index]?.atMs ?? Number.NaN;
        const latestMs = Math.min(...requests.map((request) => request.atMs)) + LINGER_MS;
        if (startMs > latestMs) {
          expect(endsMs).toContain(startMs);
          const changesMs = endsMs.filter((endMs) => endMs > latestMs && endMs < startMs);
          for (const atMs of [latestMs, ...changesMs]) expect(inFlightAt(atMs)).toBe(UPLOADS_MAX);
        }
        const bytes = frameBytesOf(requests.flatMap((request) => request.batches));
        if (requests.length > 1) expect(bytes).toBeLessThanOrEqual(FILE_BYTES_MAX);
      }
      for (const put of harness.store.puts) {
        expect(inFlightAt(put.atMs)).toBeLessThanOrEqual(UPLOADS_MAX);
      }
    }),
  );
});

test('flushes ahead of the linger stay within the PUT budget', async () => {
  await fc.assert(
    fc.asyncProperty(steps, fc.infiniteStream(quick), async (script, durations) => {
      const earlyMs: number[] = [];
      const harness = new WriterHarness({
        ...LIMITS,
        onUpload: ({ reason, durationMs }) => {
          if (reason === 'idle') earlyMs.push(harness.clock.monotonicMs() - durationMs);
        },
      });
      harness.store.onPut = () => durations.next().value ?? SOUND;
      await play(harness, script);
      earlyMs.sort((a, b) => a - b);
      for (const [first, sinceMs] of earlyMs.entries()) {
        for (const [last, untilMs] of earlyMs.entries()) {
          if (last < first) continue;
          const allowed = PUTS_PER_SECOND * (1 + (untilMs - sinceMs) / 1_000);
          expect(last - first + 1).toBeLessThanOrEqual(allowed + 1e-6);
        }
      }
    }),
  );
});
