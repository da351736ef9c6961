/** The coordinator package's public face: the state that proxies and workers share. */
export * from './coordinator.ts';
export * from './errors.ts';
export * from './member-id.ts';
