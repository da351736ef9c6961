/** What only several processes can show of the filesystem store, and what a kill leaves behind. */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { crc32c } from '@node-rs/crc32';
import { expect, test } from 'vitest';
import { FsObjectStore } from '../../storage/index.ts';
import { listKeys } from '../unit/storage/object-store-suite.ts';

const WRITERS = 3;
const LINES_BEFORE_KILL = 15;

/** @returns the lines that a writer printed before it was killed in the middle of its work */
async function runAndKill(root: string): Promise<string[]> {
  const script = join(import.meta.dirname, '../support/put-objects.ts');
  const writer = spawn(process.execPath, [script, root], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(writer, 'exit');
  const lines: string[] = [];
  for await (const line of createInterface({ input: writer.stdout })) {
    lines.push(line);
    if (lines.length === LINES_BEFORE_KILL) writer.kill('SIGKILL');
  }
  await exited;
  return lines;
}

test('writers that race and are killed leave whole objects, each of one writer', async () => {
  const root = await mkdtemp(join(tmpdir(), 'outrigger-writers-'));
  try {
    for (let round = 0; round < 3; round++) {
      const writers = Array.from({ length: WRITERS }, async () => await runAndKill(root));
      const acknowledged = (await Promise.all(writers)).flat().map((line) => line.split(' '));
      const keys = acknowledged.map(([key]) => key);
      expect(new Set(keys).size).toBe(keys.length);

      const store = await FsObjectStore.open({ root, now: () => Date.now(), random: randomBytes });
      for (const [key = '', crc] of acknowledged) {
        const outcome = await store.get(key);
        expect(outcome.kind === 'found' && outcome.bytes.readUInt32BE()).toBe(Number(crc));
      }
      const listed = await listKeys(store, '');
      expect(listed.length).toBeGreaterThanOrEqual(keys.length);
      for (const key of listed) {
        const outcome = await store.get(key);
        const bytes = outcome.kind === 'found' ? outcome.bytes : Buffer.alloc(4);
        expect(crc32c(bytes.subarray(4))).toBe(bytes.readUInt32BE());
      }
    }
  } finally {
    await rm(root, { recursive: true });
  }
});
