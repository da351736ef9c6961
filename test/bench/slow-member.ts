/**
 * A member whose object store answers writes late, as one in the cloud does: a process of its own,
 * told by the same environment variables as `outrigger start`, and by BENCH_PUT_MS. When it is
 * stopped, it prints how long its PUTs of WAL files took.
 */
import { pino } from 'pino';
import { readConfig } from '../../cli/config/environment.ts';
import { proxyOptionsOf } from '../../cli/config/proxy-options-of.ts';
import { startProxy } from '../../proxy/index.ts';
import { openStore, type PutIfAbsentOutcome } from '../../storage/index.ts';
import { SlowStore } from '../support/slow-store.ts';

export const PUT_MS_VARIABLE = 'BENCH_PUT_MS';
/** What the line with the PUTs begins with; they follow as JSON. */
export const PUTS_LINE = 'PUTs: ';

export interface TimedPut {
  /** On the process's own clock. */
  readonly startMs: number;
  readonly durationMs: number;
}

class MeasuredStore extends SlowStore {
  readonly puts: TimedPut[] = [];

  override async putIfAbsent(
    ...args: Parameters<SlowStore['putIfAbsent']>
  ): Promise<PutIfAbsentOutcome> {
    const startMs = performance.now();
    const outcome = await super.putIfAbsent(...args);
    const durationMs = performance.now() - startMs;
    if (args[0].startsWith('wal/')) this.puts.push({ startMs, durationMs });
    return outcome;
  }
}

if (import.meta.main) await run(Number(process.env[PUT_MS_VARIABLE]));

async function run(putMs: number): Promise<void> {
  const stopped = new Promise((resolve) => process.once('SIGTERM', resolve));
  const options = proxyOptionsOf(readConfig(undefined).values);
  const stores: MeasuredStore[] = [];
  const proxy = await startProxy(options, pino({ level: 'warn' }), {
    openStore: async (...args) => {
      const inner = await openStore(...args);
      const latencyMs = (operation: string): number => (operation.startsWith('put') ? putMs : 0);
      const store = new MeasuredStore(inner, { latencyMs });
      stores.push(store);
      return store;
    },
  });
  await stopped;
  await proxy.stop();
  const puts = stores.flatMap((store) => store.puts);
  console.log(`${PUTS_LINE}${JSON.stringify(puts)}`);
}
