import { expect, test } from 'vitest';
import { FiguresByJob } from '../../../../workers/metering/job-figures.ts';
import { JobProgress, type ProgressReport } from '../../../../workers/metering/job-progress.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

function begin() {
  const clock = new FakeClock();
  const figures = new FiguresByJob().of('backfill');
  const reports: ProgressReport[] = [];
  const progress = new JobProgress({ figures, clock, report: (report) => reports.push(report) });
  return { clock, figures, reports, progress };
}

test('a long run is shown with what is left at the pace so far, now and then', async () => {
  const { clock, figures, reports, progress } = begin();
  progress.expect(1_000);
  for (let second = 1; second <= 10; second++) {
    await clock.advance(1_000);
    progress.advance({ records: 2, bytes: 50 });
  }
  expect(reports).toEqual([
    { records: 10, bytes: 250, bytesExpected: 1_000, secondsLeft: 15 },
    { records: 20, bytes: 500, bytesExpected: 1_000, secondsLeft: 10 },
  ]);
  expect(figures).toMatchObject({ records: 20, bytes: 500 });
});

test('a short run is counted and not shown', () => {
  const { figures, reports, progress } = begin();
  progress.advance({ records: 1, bytes: 10 });
  expect(figures.bytes).toBe(10);
  expect(reports).toEqual([]);
});

test('more than was expected leaves nothing ahead', async () => {
  const { clock, reports, progress } = begin();
  progress.expect(10);
  await clock.advance(5_000);
  progress.advance({ records: 1, bytes: 30 });
  expect(reports[0]?.secondsLeft).toBe(0);
});
