/**
 * Segments, judged by Kafka's own classes: its recovery makes of the `.log` alone, byte for byte,
 * the files that we write, and its readers find in ours what our reader finds.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  BATCH_HEADER_BYTES,
  findByTimestamp,
  lastOffset,
  maxTimestamp,
} from '../../kafka/index.ts';
import { AbortedSearch, encodeManifest, seekOffset, seekTimestamp } from '../../storage/index.ts';
import type { AbortedTransaction } from '../../storage/index.ts';
import { makeSegments } from '../unit/storage/segment/make-segments.ts';
import type { MadeSegment } from '../unit/storage/segment/make-segments.ts';
import { randomLogs } from '../unit/storage/segment/random-log.ts';
import { RELEASE, askKafka, readFiles, segmentFiles, writeFiles } from './segments-oracle.ts';

/** Printed in the name of the suite; set SEED to run the same samples again. */
const SEED = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);
const LOGS = 20;
const INTERVAL_BYTES = 1000;
const ALL_FILES = /^\d{20}\./;

interface Sample {
  readonly ours: string;
  readonly theirs: string;
  readonly segments: readonly MadeSegment[];
}

let root = '';
let samples: Sample[] = [];

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'segments-'));
  const logs = fc.sample(randomLogs, { numRuns: LOGS, seed: SEED });
  samples = logs.map(({ startOffset, batches }, index) => ({
    ours: join(root, `ours-${index}`),
    theirs: join(root, `theirs-${index}`),
    segments: makeSegments(startOffset, batches, {
      segmentBytesMax: 30_000,
      indexIntervalBytes: INTERVAL_BYTES,
    }),
  }));
  for (const { ours, theirs, segments } of samples) {
    for (const { segment, log } of segments) {
      const files = segmentFiles(segment, log);
      await writeFiles(ours, files);
      const logOnly = [...files].filter(([name]) => name.endsWith('.log'));
      await writeFiles(theirs, new Map(logOnly));
    }
  }
});

afterAll(async () => rm(root, { recursive: true }));

/** As `LogSegment.findOffsetByTimestamp`, with our parts. */
function findTimestamp(made: MadeSegment, timestamp: bigint, fromOffset: bigint): string {
  const range = made.indexes.rangeOfTimestamp(timestamp, fromOffset);
  let at = range?.from ?? made.log.length;
  for (;;) {
    const found = seekTimestamp(made.log, at, timestamp, fromOffset);
    if (found.kind === 'more') return 'none';
    at = found.at + found.size;
    const batch = made.log.subarray(found.at, at);
    const [header, body] = [batch.subarray(0, BATCH_HEADER_BYTES), batch.subarray(61)];
    const record = findByTimestamp(header, body, timestamp, fromOffset);
    if (record !== undefined) return `${record.offset} ${record.timestamp}`;
  }
}

function findOffset(made: MadeSegment, offset: bigint): string {
  const range = made.indexes.rangeOfOffset(offset);
  if (range === undefined) return 'none';
  const found = seekOffset(made.log, range.from, offset);
  return found.kind === 'found' ? `${found.at} ${found.size}` : 'none';
}

function describeAborted(all: Iterable<AbortedTransaction>): string {
  return [...all]
    .map((one) => [one.producerId, one.firstOffset, one.lastOffset, one.lastStableOffset].join())
    .join(';');
}

/** Requests about a segment and the answers that we give. */
function* questions({ ours, segments }: Sample): Generator<[request: string, answer: string]> {
  for (const made of segments) {
    const { startOffset, endOffset } = made.manifest;
    const target = `${ours} ${startOffset}`;
    for (const [index, batch] of made.batches.entries()) {
      if (index % 4 !== 0) continue;
      const offset = lastOffset(batch) - BigInt(index % 3);
      if (offset >= startOffset) yield [`offset ${target} ${offset}`, findOffset(made, offset)];
      const timestamp = maxTimestamp(batch) - BigInt(index % 2);
      const from = index % 8 === 0 ? startOffset : offset;
      const found = findTimestamp(made, timestamp, from);
      if (timestamp >= 0n) yield [`timestamp ${target} ${timestamp} ${from}`, found];
      const search = new AbortedSearch(offset, offset + 10n);
      const isOver = search.add(made.indexes.aborted());
      const byMarker = search.result().sort((a, b) => Number(a.lastOffset - b.lastOffset));
      const aborted = `${isOver} ${describeAborted(byMarker)}`;
      yield [`aborted ${target} ${offset} ${offset + 10n}`, aborted];
    }
    yield [`offset ${target} ${endOffset + 1n}`, 'none'];
  }
}

describe(`Kafka ${RELEASE} (seed ${SEED})`, () => {
  test('recovers from the logs alone, byte for byte, the files that we write', async () => {
    const answers = await askKafka(
      samples.map(({ theirs, segments }) => {
        const bases = segments.map(({ segment }) => segment.baseOffset).join(',');
        return `recover ${theirs} ${INTERVAL_BYTES} ${bases}`;
      }),
    );
    expect(new Set(answers)).toEqual(new Set(['ok']));
    for (const { ours, theirs } of samples) {
      expect(await readFiles(theirs, ALL_FILES)).toEqual(await readFiles(ours, ALL_FILES));
    }
    const aborted = samples.flatMap(({ segments }) =>
      segments.flatMap(({ indexes }) => [...indexes.aborted()]),
    );
    expect(aborted.length).toBeGreaterThan(LOGS);
  });

  test('passes each file, and reads in it what went in', async () => {
    const all = samples.flatMap(({ ours, segments }) =>
      segments.map(({ segment, indexes }) => ({ ours, segment, indexes })),
    );
    const answers = await askKafka(
      all.map(({ ours, segment: { baseOffset, endOffset } }) => {
        return `check ${ours} ${baseOffset} ${endOffset + 1n}`;
      }),
    );
    for (const [index, { segment, indexes }] of all.entries()) {
      const { producers, leaderEpochs } = indexes.state();
      const answer = answers[index] ?? '';
      expect(answer).toContain(`aborted=${describeAborted(indexes.aborted())} `);
      const ids = producers.map((one) => {
        const first = one.lastOffset < 0n ? -1n : one.lastOffset - BigInt(one.offsetDelta);
        const { producerId, epoch, lastOffset: last, lastTimestamp, coordinatorEpoch } = one;
        const open = one.transactionFirstOffset ?? -1n;
        return [producerId, epoch, first, last, lastTimestamp, coordinatorEpoch, open].join();
      });
      expect(answer).toContain(`producers=${ids.join(';')} `);
      const epochs = leaderEpochs.map(({ epoch, startOffset }) => `${epoch},${startOffset}`);
      expect(answer.endsWith(`epochs=${epochs.join(';')}`)).toBe(true);
      const entries = segment.files.offsetIndex.length / 8;
      expect(answer.startsWith(`offsets=${entries}/`)).toBe(true);
    }
  });

  test('finds offsets, timestamps and aborted transactions where our reader does', async () => {
    const asked = samples.flatMap((sample) => [...questions(sample)]);
    const answers = await askKafka(asked.map(([request]) => request));
    const wrong = asked.flatMap(([request, ours], index) =>
      answers[index] === ours ? [] : [{ request, ours, kafka: answers[index] }],
    );
    expect(wrong).toEqual([]);
    expect(asked.length).toBeGreaterThan(LOGS);
  });

  test('takes the metadata of a manifest', async () => {
    const { manifest } = samples[0]?.segments[0] ?? {};
    if (manifest === undefined) throw new Error('no segment');
    const file = join(root, 'manifest.json');
    await writeFile(file, encodeManifest(manifest));
    const [answer = ''] = await askKafka([`manifest ${file}`]);
    const { topicId, topic, partition, segmentId, startOffset, endOffset } = manifest;
    expect(answer).toContain(`${topicId}:${topic}-${partition}`);
    expect(answer).toContain(`id=${segmentId}`);
    expect(answer).toContain(`startOffset=${startOffset}, endOffset=${endOffset}`);
    expect(answer).toContain(`maxTimestampMs=${manifest.maxTimestampMs}`);
    expect(answer).toContain(`segmentSizeInBytes=${manifest.logBytes}`);
  });
});
