import { expect, test } from 'vitest';
import { Bandwidth } from '../../../../runtime/index.ts';
import { FiguresByJob, putEquivalents } from '../../../../workers/metering/job-figures.ts';
import { MeteredStore } from '../../../../workers/metering/metered-store.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { MemoryStore } from '../../storage/memory-store.ts';

function metered(bytesPerSecond: number | null = null) {
  const clock = new FakeClock();
  const figures = new FiguresByJob().of('merge');
  const bandwidth = new Bandwidth(bytesPerSecond, clock);
  const memory = new MemoryStore();
  const store = new MeteredStore({ store: memory, bandwidth, figures: () => figures });
  return { clock, figures, memory, store };
}

test('every request is counted by its kind, with its bytes', async () => {
  const { figures, store } = metered();
  await store.put('a', [Buffer.alloc(3), Buffer.alloc(4)]);
  await store.putIfAbsent('b', Buffer.alloc(10));
  await store.putIfAbsent('b', Buffer.alloc(10));
  await store.get('a');
  await store.getRange('b', 2, 5);
  await store.get('missing');
  await store.head('a');
  const listed: string[] = [];
  for await (const { key } of store.list('')) listed.push(key);
  await store.delete(['a', 'b']);
  expect(listed).toEqual(['a', 'b']);
  expect(figures.requests).toEqual({ put: 3, get: 3, head: 1, list: 1, delete: 1 });
  expect(figures.storeBytesWritten).toBe(27);
  expect(figures.storeBytesRead).toBe(12);
  expect(putEquivalents(figures)).toBeCloseTo(4 + 4 * 0.08);
});

test('a long listing counts as the requests that it takes', async () => {
  const { figures, memory, store } = metered();
  for (let object = 0; object < 2_500; object++) {
    memory.objects.set(`k${String(object).padStart(5, '0')}`, Buffer.alloc(0));
  }
  let listed = 0;
  for await (const _ of store.list('k')) listed++;
  expect(listed).toBe(2_500);
  expect(figures.requests.list).toBe(3);
});

test('a write waits until the bytes before it are through', async () => {
  const { clock, memory, store } = metered(100);
  await store.put('first', Buffer.alloc(200));
  const second = store.put('second', Buffer.alloc(1));
  await clock.advance(1_999);
  expect([...memory.objects.keys()]).toEqual(['first']);
  await clock.advance(1);
  await second;
  expect([...memory.objects.keys()]).toEqual(['first', 'second']);
});
