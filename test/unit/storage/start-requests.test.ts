import { expect, test } from 'vitest';
import { StartRequests, type StartRequest } from '../../../storage/index.ts';
import { MemoryStore } from './memory-store.ts';

const TOPIC_ID = Buffer.alloc(16, 'topic').toString('base64url');

function requestTo(offset: bigint, partition = 0): StartRequest {
  return { topicId: TOPIC_ID, partition, offset };
}

async function listed(requests: StartRequests, group: number): Promise<StartRequest[]> {
  const all: StartRequest[] = [];
  for await (const request of requests.list(group)) all.push(request);
  return all;
}

test('requests of a group come back, each once, whatever their order', async () => {
  const requests = new StartRequests(new MemoryStore());
  const made = [requestTo(100n), requestTo(2n ** 62n), requestTo(7n), requestTo(7n, 12)];
  for (const request of [...made, requestTo(100n)]) await requests.put(3, request);
  await requests.put(4, requestTo(1n));
  expect(new Set(await listed(requests, 3))).toEqual(new Set(made));
  expect(await listed(requests, 4)).toEqual([requestTo(1n)]);
});

test('a request that was met is forgotten, and no other', async () => {
  const requests = new StartRequests(new MemoryStore());
  await requests.put(0, requestTo(5n));
  await requests.put(0, requestTo(6n));
  await requests.delete(0, [requestTo(5n)]);
  await requests.delete(0, []);
  expect(await listed(requests, 0)).toEqual([requestTo(6n)]);
});

test('what is no request is passed over', async () => {
  const store = new MemoryStore();
  await store.put('starts/00000/readme.txt', Buffer.from('not one'));
  expect(await listed(new StartRequests(store), 0)).toEqual([]);
});
