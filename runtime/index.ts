/** The package's public face: what every process of Outrigger is built with. */
export * from './byte-budget.ts';
export * from './clock.ts';
export * from './opened.ts';
