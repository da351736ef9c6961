/** The package's public face: what every process of Outrigger is built with. */
export * from './bandwidth.ts';
export * from './byte-budget.ts';
export * from './clock.ts';
export * from './http-server.ts';
export * from './opened.ts';
export * from './scrape.ts';
export * from './turns.ts';
