import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { CommitTracker } from '../../../../proxy/wal/commit-tracker.ts';
import type { ForwardOutcome } from '../../../../proxy/connection/handler.ts';

test('a file is settled once, with its last request, and never if an answer was lost', () => {
  const outcome = fc.constantFrom<ForwardOutcome>('answered', 'unsent', 'lost');
  const files = fc.array(fc.array(outcome, { minLength: 1, maxLength: 5 }), { maxLength: 8 });
  fc.assert(
    fc.property(files, fc.infiniteStream(fc.nat()), (outcomesOfFiles, picks) => {
      const settled: bigint[] = [];
      const tracker = new CommitTracker((fileId) => settled.push(fileId));
      const open = outcomesOfFiles.flatMap((outcomes, index) => {
        const shares = tracker.track(BigInt(index), outcomes.length);
        return outcomes.map((end, at) => ({ index, end, share: shares[at] }));
      });
      const endedOf = outcomesOfFiles.map(() => 0);
      while (open.length > 0) {
        const [next] = open.splice((picks.next().value ?? 0) % open.length, 1);
        if (next === undefined) throw new TypeError('picked none');
        const outcomes = outcomesOfFiles[next.index] ?? [];
        const isLast = (endedOf[next.index] = (endedOf[next.index] ?? 0) + 1) === outcomes.length;
        next.share?.ended(next.end);
        const settles = isLast && !outcomes.includes('lost');
        expect(settled.includes(BigInt(next.index))).toBe(settles);
      }
      const lost = outcomesOfFiles.filter((outcomes) => outcomes.includes('lost')).length;
      const expected = { open: 0, settled: outcomesOfFiles.length - lost, unsettled: lost };
      expect(tracker.stats).toEqual(expected);
      expect(new Set(settled).size).toBe(settled.length);
    }),
  );
});

test('a request that ends twice is a bug that shows', () => {
  const tracker = new CommitTracker(() => undefined);
  const [share] = tracker.track(1n, 2);
  share?.ended('answered');
  expect(() => share?.ended('answered')).toThrow('a request ends once');
  expect(tracker.stats).toEqual({ open: 1, settled: 0, unsettled: 0 });
});
