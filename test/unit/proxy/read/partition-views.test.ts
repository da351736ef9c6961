import { pino } from 'pino';
import { expect, test } from 'vitest';
import type { PartitionView } from '../../../../coordinator/index.ts';
import { PartitionViews } from '../../../../proxy/read/partition-views.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { FakeStates } from '../../../support/fake-states.ts';

const GROUP = 2;
const VIEW: PartitionView = {
  group: GROUP,
  topicId: Buffer.alloc(16, 7).toString('base64url'),
  topic: 'orders',
  partition: 0,
  cursor: 0n,
  leaderEpoch: -1,
  logicalStart: null,
  trimIntent: null,
  consolidatedTo: 0n,
  extents: [],
  segments: [],
};

test('a view is asked for again when its group has moved, and not when another has', async () => {
  const states = new FakeStates();
  const clock = new FakeClock();
  const views = new PartitionViews({ states, clock, log: pino({ level: 'silent' }) });
  states.set(VIEW);
  await views.get(VIEW);
  await clock.advance(1);
  views.groupMoved(GROUP + 1);
  views.peek(VIEW);
  expect(states.asked).toBe(1);
  states.set({ ...VIEW, cursor: 9n });
  views.groupMoved(GROUP);
  await clock.advance(1);
  // Nobody waits: the view from before is given until the other one is there.
  expect(views.peek(VIEW)?.view.cursor).toBe(0n);
  await clock.advance(1);
  expect(views.peek(VIEW)?.view.cursor).toBe(9n);
  expect(states.asked).toBe(2);
});
