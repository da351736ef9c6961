/**
 * Consumers that read a topic from its beginning, over and over, in a process of their own, until
 * it is killed: `node test/bench/laggards.ts BOOTSTRAP TOPIC PARTITIONS COUNT MIB_PER_SECOND`, the
 * rate being each consumer's, 0 for as fast as it can. Every second it prints what all of them have
 * read since it began, in bytes.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { LogTail } from './log-tail.ts';

const MEBIBYTE = 1024 * 1024;
/** As Java consumers ask by default. */
const BYTES_MAX = MEBIBYTE;
const WAIT_MS = 500;
const REPORT_MS = 1_000;

if (import.meta.main) await run(process.argv.slice(2));

async function run(args: readonly string[]): Promise<void> {
  const [bootstrap = '', topic = ''] = args;
  const [partitions = 0, count = 0, mibPerSecond = 0] = args.slice(2).map(Number);
  let total = 0;
  setInterval(() => console.log(String(total)), REPORT_MS);
  const readers = Array.from({ length: count }, async (_, index) => {
    const partition = index % partitions;
    const tail = { bootstrap, topic, partition, bytesMax: BYTES_MAX, waitMs: WAIT_MS };
    await readForever(await LogTail.open(tail, 0n), mibPerSecond, (bytes) => (total += bytes));
  });
  await Promise.all(readers);
}

async function readForever(
  tail: LogTail,
  mibPerSecond: number,
  onBytes: (bytes: number) => void,
): Promise<never> {
  const startMs = performance.now();
  let read = 0;
  for (;;) {
    const batches = await tail.next();
    const bytes = batches.reduce((sum, batch) => sum + batch.length, 0);
    if (bytes === 0) tail.offset = 0n;
    read += bytes;
    onBytes(bytes);
    const dueMs = mibPerSecond === 0 ? 0 : (read / (mibPerSecond * MEBIBYTE)) * 1_000;
    const earlyMs = startMs + dueMs - performance.now();
    if (earlyMs > 0) await pause(earlyMs);
  }
}
