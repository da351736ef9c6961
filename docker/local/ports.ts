/**
 * Ports of 127.0.0.1 for servers that must be told theirs beforehand. They are taken below the
 * kernel's range for outgoing connections, or such a connection could take one before its server.
 */
import { createServer } from 'node:net';

const FIRST = 20_000;
const LAST = 32_000;
const taken = new Set<number>();

/** @returns that many ports that nothing listens on, and that no earlier call has returned */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  for (let attempt = 0; ports.length < count; attempt++) {
    if (attempt > LAST - FIRST) throw new Error(`no ${count} free ports from ${FIRST} to ${LAST}`);
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST));
    if (taken.has(port) || !(await isFree(port))) continue;
    taken.add(port);
    ports.push(port);
  }
  return ports;
}

/** @returns one such port */
export async function freePort(): Promise<number> {
  const [port] = await freePorts(1);
  if (port === undefined) throw new Error('no free port');
  return port;
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
