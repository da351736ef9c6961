/**
 * Ports of 127.0.0.1 for servers that must be told theirs beforehand. They are taken below the
 * kernel's range for outgoing connections, or such a connection could take one before its server.
 */
import { createServer } from 'node:net';

const FIRST = 20_000;
const LAST = 32_000;
const ATTEMPTS_MAX = 1_000;
/** Returned before; a server that is about to start may not listen yet. */
const taken = new Set<number>();

/** @returns a port that nothing listens on: the preferred one, if it is such a port */
export async function freePort(preferred?: number): Promise<number> {
  if (preferred !== undefined && (await take([preferred]))) return preferred;
  const [port] = await freePortRange(1);
  return port;
}

/** @returns that many ports that nothing listens on */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) ports.push(await freePort());
  return ports;
}

/** @returns the first and the last of that many neighbouring ports that nothing listens on */
export async function freePortRange(count: number): Promise<[first: number, last: number]> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const first = FIRST + Math.floor(Math.random() * (LAST - FIRST - count));
    const ports = Array.from({ length: count }, (_, index) => first + index);
    if (await take(ports)) return [first, first + count - 1];
  }
  throw new Error(`no ${count} free ports in a row from ${FIRST} to ${LAST}`);
}

/** @returns whether all of these were free; they count as taken from here on, even if not */
async function take(ports: readonly number[]): Promise<boolean> {
  if (ports.some((port) => taken.has(port))) return false;
  for (const port of ports) taken.add(port);
  for (const port of ports) if (!(await isFree(port))) return false;
  return true;
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
      server.close(() => resolve(true));
    });
  });
}
