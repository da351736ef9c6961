import { pino } from 'pino';
import { beforeEach, expect, test } from 'vitest';
import { coordinatorError } from '../../../../coordinator/errors.ts';
import { Outage } from '../../../../coordinator/redis/outage.ts';

const DOWN = coordinatorError('COORDINATOR_REDIS_UNAVAILABLE', 'ECONNREFUSED');
const FOREIGN = coordinatorError('COORDINATOR_FOREIGN_REDIS', 'of another cluster');

let levels: number[];
let outage: Outage;

beforeEach(() => {
  levels = [];
  const write = (line: string): void => {
    levels.push(Number(/"level":(\d+)/.exec(line)?.[1]));
  };
  outage = new Outage(pino({ level: 'info' }, { write }), () => 42);
});

test('an outage is told of once, however many parts notice it however often', () => {
  outage.succeeded('changes');
  expect(outage.connected).toBe(true);
  for (let round = 0; round < 5; round++) {
    outage.failed('changes', DOWN);
    outage.failed('heartbeats', DOWN);
  }
  expect(levels).toEqual([40]);
  outage.succeeded('heartbeats');
  expect(outage.connected).toBe(false);
  outage.succeeded('changes');
  expect(outage.connected).toBe(true);
  expect(levels).toEqual([40, 30]);
});

test('a part that has nothing to ask does not keep an outage up', () => {
  outage.succeeded('changes');
  outage.failed('announcements', DOWN);
  outage.withdrawn('announcements');
  expect(outage.connected).toBe(true);
});

test('a Redis that may not be used is an error, told of when it shows', () => {
  outage.failed('changes', DOWN);
  outage.failed('changes', FOREIGN);
  outage.failed('heartbeats', FOREIGN);
  expect(levels).toEqual([40, 50]);
  expect(outage.refusal).toEqual({ code: FOREIGN.code, message: FOREIGN.message });
  outage.failed('changes', DOWN);
  expect(outage.refusal).toBeUndefined();
});

test('nothing is connected before the first contact', () => {
  expect(outage.connected).toBe(false);
  expect(outage.lastContactMs).toBeUndefined();
  outage.succeeded('changes');
  expect(outage.lastContactMs).toBe(42);
});
