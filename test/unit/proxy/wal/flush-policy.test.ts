import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { countForFile, decideFlush } from '../../../../proxy/wal/flush-policy.ts';
import { PutBudget } from '../../../../proxy/wal/put-budget.ts';
import { ByteRate } from '../../../../proxy/wal/byte-rate.ts';

const LIMITS = { maxBytes: 1000, minBytes: 100, lingerMs: 250, uploadsMax: 2 };
const IDLE = { bytes: 150, oldestMs: 0, uploadsInFlight: 0, putReadyMs: 0 };

test('a quiet writer flushes at once', () => {
  expect(decideFlush(LIMITS, IDLE, 0)).toEqual({ kind: 'flush', reason: 'idle' });
});

test('a writer with an upload in flight waits for the linger', () => {
  const state = { ...IDLE, uploadsInFlight: 1 };
  expect(decideFlush(LIMITS, state, 10)).toEqual({ kind: 'wait', untilMs: 250 });
  expect(decideFlush(LIMITS, state, 250)).toEqual({ kind: 'flush', reason: 'linger' });
});

test('less than is worth a PUT waits for the linger and not longer', () => {
  const state = { ...IDLE, bytes: 99 };
  expect(decideFlush(LIMITS, state, 0)).toEqual({ kind: 'wait', untilMs: 250 });
  expect(decideFlush(LIMITS, state, 250)).toEqual({ kind: 'flush', reason: 'linger' });
});

test('an early flush waits for a token, or the linger if that ends first', () => {
  expect(decideFlush(LIMITS, { ...IDLE, putReadyMs: 80 }, 0)).toEqual({
    kind: 'wait',
    untilMs: 80,
  });
  expect(decideFlush(LIMITS, { ...IDLE, putReadyMs: 900 }, 0)).toEqual({
    kind: 'wait',
    untilMs: 250,
  });
});

test('a full file goes as soon as there is a slot, token or not', () => {
  const full = { ...IDLE, bytes: 1000, putReadyMs: 900 };
  expect(decideFlush(LIMITS, { ...full, uploadsInFlight: 1 }, 0)).toEqual({
    kind: 'flush',
    reason: 'size',
  });
  expect(decideFlush(LIMITS, { ...full, uploadsInFlight: 2 }, 999)).toEqual({ kind: 'rest' });
});

test('an empty buffer asks for nothing', () => {
  const empty = { ...IDLE, bytes: 0, oldestMs: undefined };
  expect(decideFlush(LIMITS, empty, 0)).toEqual({ kind: 'rest' });
});

test('a file takes the longest run of oldest requests that fits, and never none', () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 300 }), { maxLength: 40 });
  fc.assert(
    fc.property(sizes, fc.integer({ min: 1, max: 1000 }), (requestBytes, maxBytes) => {
      const requests = requestBytes.map((frameBytes) => ({ frameBytes }));
      const count = countForFile(requests, maxBytes);
      const sum = (n: number): number => requestBytes.slice(0, n).reduce((a, b) => a + b, 0);
      expect(count).toBeGreaterThanOrEqual(Math.min(1, requests.length));
      if (count > 1) expect(sum(count)).toBeLessThanOrEqual(maxBytes);
      if (count < requests.length) expect(sum(count + 1)).toBeGreaterThan(maxBytes);
    }),
  );
});

test('whoever asks before each take never exceeds the PUT budget in any stretch of time', () => {
  const waits = fc.array(fc.integer({ min: 0, max: 400 }), { maxLength: 200 });
  fc.assert(
    fc.property(waits, fc.integer({ min: 1, max: 10 }), (gapsMs, putsPerSecond) => {
      const budget = new PutBudget(putsPerSecond, 0);
      const takenMs: number[] = [];
      let nowMs = 0;
      for (const gapMs of gapsMs) {
        nowMs += gapMs;
        if (budget.readyMs(nowMs) > nowMs) continue;
        budget.take(nowMs);
        takenMs.push(nowMs);
      }
      for (const [first, sinceMs] of takenMs.entries()) {
        for (const [last, untilMs] of takenMs.entries()) {
          if (last < first) continue;
          const allowed = putsPerSecond + ((untilMs - sinceMs) / 1000) * putsPerSecond;
          expect(last - first + 1).toBeLessThanOrEqual(allowed + 1e-6);
        }
      }
    }),
  );
});

test('the time at which a token is promised is a time at which there is one', () => {
  const budget = new PutBudget(3, 0);
  let nowMs = 0;
  for (let i = 0; i < 50; i++) {
    nowMs = budget.readyMs(nowMs);
    expect(budget.readyMs(nowMs)).toBe(nowMs);
    budget.take(nowMs);
  }
  expect(nowMs).toBeCloseTo(((50 - 3) / 3) * 1000, 5);
});

test('the byte rate follows a steady stream and forgets it', () => {
  const rate = new ByteRate(2_000, 0);
  for (let nowMs = 0; nowMs < 20_000; nowMs += 10) rate.add(5_000, nowMs);
  expect(rate.bytesPerMs(20_000)).toBeCloseTo(500, -1);
  expect(rate.bytesPerMs(40_000)).toBeLessThan(0.1);
});
