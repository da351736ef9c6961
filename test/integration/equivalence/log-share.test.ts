/** How little of what is produced to a diskless topic lies in the broker's log. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { ToolWay } from './tool-ways.ts';
import { createTopic, openWays, type Way, type Ways } from './ways.ts';

const PRODUCED_BYTES = 50 * 1024 * 1024;
const PARTITIONS = 2;

let ways: Ways;
let way: Way;
let tool: ToolWay;

beforeAll(async () => {
  ways = await openWays(13);
  const diskless = ways.all.find(({ isDiskless }) => isDiskless);
  if (diskless === undefined) throw new Error('there is a diskless way');
  way = diskless;
  tool = await ToolWay.open(way);
});

afterAll(async () => {
  await tool.close();
  await ways.stop();
});

/** @returns the bytes of the topic's log files in the broker */
async function logBytes(topic: string): Promise<number> {
  const { logDir } = inject('kafka');
  let bytes = 0;
  for (const folder of await readdir(logDir)) {
    if (!folder.startsWith(`${topic}-`)) continue;
    for (const file of await readdir(join(logDir, folder))) {
      if (file.endsWith('.log')) bytes += (await stat(join(logDir, folder, file))).size;
    }
  }
  return bytes;
}

test.for([
  { recordBytes: 1024, share: 0.015 },
  { recordBytes: 100, share: 0.03 },
])('records of $recordBytes bytes leave at most $share in the log', async (expected) => {
  const topic = await createTopic(way, 'share', { partitions: PARTITIONS });
  const records = Math.ceil(PRODUCED_BYTES / expected.recordBytes);
  const size = ['--num-records', String(records), '--record-size', String(expected.recordBytes)];
  const { code } = await tool.run('kafka-producer-perf-test', [
    '--topic',
    topic,
    '--throughput',
    '-1',
    ...size,
  ]);
  expect(code).toBe(0);
  const share = (await logBytes(topic)) / (records * expected.recordBytes);
  expect(share).toBeGreaterThan(0);
  expect(share).toBeLessThanOrEqual(expected.share);
});
