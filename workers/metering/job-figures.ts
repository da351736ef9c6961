/**
 * What the jobs of a process have done since its start, by job: kept here, shown by the metrics.
 */

export const STORE_REQUESTS = ['put', 'get', 'head', 'list', 'delete'] as const;
export type StoreRequest = (typeof STORE_REQUESTS)[number];

/** What a request costs, in PUTs: as object stores charge for them. */
export const PUT_EQUIVALENTS: Readonly<Record<StoreRequest, number>> = {
  put: 1,
  get: 0.08,
  head: 0.08,
  list: 1,
  delete: 0,
};

export interface JobFigures {
  runs: number;
  failures: number;
  /** Of all runs together. */
  durationMs: number;
  running: number;
  /** What the job says that it moved. */
  records: number;
  bytes: number;
  /** To and from the object store. */
  storeBytesWritten: number;
  storeBytesRead: number;
  readonly requests: Record<StoreRequest, number>;
}

export class FiguresByJob {
  readonly #figures = new Map<string, JobFigures>();

  /** @returns the job's own, to be added to */
  of(job: string): JobFigures {
    let figures = this.#figures.get(job);
    if (figures === undefined) {
      figures = {
        runs: 0,
        failures: 0,
        durationMs: 0,
        running: 0,
        records: 0,
        bytes: 0,
        storeBytesWritten: 0,
        storeBytesRead: 0,
        requests: { put: 0, get: 0, head: 0, list: 0, delete: 0 },
      };
      this.#figures.set(job, figures);
    }
    return figures;
  }

  all(): IterableIterator<[job: string, figures: JobFigures]> {
    return this.#figures.entries();
  }
}

/** @returns what the job's requests cost, in PUTs */
export function putEquivalents({ requests }: Pick<JobFigures, 'requests'>): number {
  return STORE_REQUESTS.reduce((sum, name) => sum + requests[name] * PUT_EQUIVALENTS[name], 0);
}
