/** The package's public face: the worker process, and what commands do to a bucket. */
export * from './errors.ts';
export * from './worker-options.ts';
export * from './worker.ts';
