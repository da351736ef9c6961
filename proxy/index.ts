/** The proxy package's public face. */
export { PROXY_ERROR_CODES } from './errors.ts';
export type { ProxyErrorCode } from './errors.ts';
export { startProxy } from './proxy.ts';
export type { Proxy, ProxyDependencies } from './proxy.ts';
export type { ProxyOptions } from './proxy-options.ts';
