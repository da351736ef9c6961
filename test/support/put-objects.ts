/**
 * A process that puts objects into a filesystem store until it is killed, and prints one line for
 * each that was acknowledged: `node put-objects.ts ROOT`. Several of them race for the same keys.
 */
import { randomBytes } from 'node:crypto';
import { crc32c } from '@node-rs/crc32';
import { FsObjectStore } from '../../storage/index.ts';

const OBJECT_BYTES = 300_000;
const CONCURRENCY = 4;

const [, , root = ''] = process.argv;
const store = await FsObjectStore.open({ root, now: () => Date.now(), random: randomBytes });
let next = 0;

async function putForever(): Promise<never> {
  for (;;) {
    const key = `wal/${next++}`;
    const body = randomBytes(OBJECT_BYTES);
    body.writeUInt32BE(crc32c(body.subarray(4)));
    const { kind } = await store.putIfAbsent(key, body);
    if (kind === 'stored') process.stdout.write(`${key} ${body.readUInt32BE()}\n`);
  }
}

await Promise.all(Array.from({ length: CONCURRENCY }, putForever));
