import { afterEach, expect, test } from 'vitest';
import { createMetrics, type MeteredParts } from '../../../../proxy/http/metrics.ts';
import { memoryBudgets } from '../../../../proxy/memory-budgets.ts';
import type { ProxyOptions } from '../../../../proxy/index.ts';
import { openHttpServer } from '../../../../runtime/index.ts';

const HOST = '127.0.0.1';
const open: { close(): Promise<unknown> }[] = [];

afterEach(async () => {
  for (const server of open.splice(0)) await server.close();
});

function parts(): MeteredParts {
  const memory = {
    requestBytesMax: 10,
    responseBytesMax: 10,
    fillBytesMax: 10,
    laggingCacheBytesMax: 10,
  };
  const flushes = { size: 3, linger: 2, idle: 1 };
  const commits = { open: 0, settled: 5, unsettled: 4 };
  const writer = {
    bufferedRequests: 0,
    bufferedBytes: 7,
    uploadsInFlight: 1,
    filesStored: 6,
    fileBytesStored: 600,
    filesFailed: 0,
    requestsReal: 9,
    flushes,
    commits,
  };
  const status = {
    mode: 'solo' as const,
    connected: true,
    lastContactMs: undefined,
    refusal: undefined,
    bufferedCount: 0,
    bufferedBytes: 0,
    droppedCount: 0,
  };
  return {
    writer: { stats: writer, health: () => 'ok' },
    cache: { stats: { tailFiles: 1, tailBytes: 11, laggingFiles: 0, laggingBytes: 0 } },
    source: { stats: { filesLoaded: 2, fileBytesLoaded: 22 } },
    stored: {
      reader: { stats: { reads: 3, bytesRead: 33 } },
      batches: { stats: { cachedBytes: 44, readAheads: 1 } },
      extents: { indexBytes: 5 },
      segments: { indexBytes: 6 },
      views: { stats: { cached: 1, asked: 8, failed: 0 } },
    },
    coordinator: { status: () => status, members: () => [] },
    connectionCount: () => 12,
    // Only the sizes of memory are looked at.
    budgets: memoryBudgets({ memory } as ProxyOptions),
  };
}

async function serve(readiness: () => string | null, port = 0): Promise<string> {
  const metrics = createMetrics(parts());
  const server = await openHttpServer({
    host: HOST,
    port,
    metrics,
    readiness,
    listenFailed: (reason) => new Error(`${reason} (http.port)`),
  });
  open.push(server);
  return server.listeningOrigin;
}

test('a scrape shows the figures of the parts, and a second one does not add to them', async () => {
  const origin = await serve(() => null);
  await fetch(`${origin}/metrics`);
  const text = await (await fetch(`${origin}/metrics`)).text();
  expect(text).toContain('outrigger_wal_files_stored_total 6\n');
  expect(text).toContain('outrigger_wal_flushes_total{reason="linger"} 2\n');
  expect(text).toContain('outrigger_memory_reserved_bytes{stage="fills"} 0\n');
  expect(text).toContain('outrigger_cache_index_bytes 11\n');
  expect(text).toContain('outrigger_stored_bytes_read_total 33\n');
  expect(text).toContain('outrigger_client_connections 12\n');
  expect(text).toMatch(/outrigger_process_cpu_seconds_total [\d.]+/);
});

test('a member that drains lives and is not ready', async () => {
  const origin = await serve(() => 'draining');
  const ready = await fetch(`${origin}/readyz`);
  expect(ready.status).toBe(503);
  expect(await ready.json()).toEqual({ status: 'draining' });
  expect((await fetch(`${origin}/livez`)).status).toBe(200);
});

test('a port that is taken is named with its key', async () => {
  const { port } = new URL(await serve(() => null));
  await expect(serve(() => null, Number(port))).rejects.toMatchObject({
    message: expect.stringContaining(`:${port} (http.port)`),
  });
});
