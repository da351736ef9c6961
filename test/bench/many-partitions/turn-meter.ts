/**
 * How long a turn of the event loop is: what its thread computes before a timer has its turn. In
 * CPU time, so that other processes on the machine do not count.
 */
import { threadCpuUsage } from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';

const TICK_MS = 1;
const BOUND_MS = 50;

export interface TurnFigures {
  readonly longestMs: number;
  /** Turns of more than 50 ms. */
  readonly longCount: number;
}

export class TurnMeter {
  #beforeMs = cpuMs();
  #longestMs = 0;
  #longCount = 0;
  readonly #timer = setInterval(() => this.#tick(), TICK_MS);

  /** Measures from now on. */
  static start(): TurnMeter {
    return new TurnMeter();
  }

  async stop(): Promise<TurnFigures> {
    // What runs now has its end noted, too.
    await sleep(2 * TICK_MS);
    clearInterval(this.#timer);
    return { longestMs: this.#longestMs, longCount: this.#longCount };
  }

  #tick(): void {
    const nowMs = cpuMs();
    const turnMs = nowMs - this.#beforeMs;
    if (turnMs > BOUND_MS) this.#longCount++;
    this.#longestMs = Math.max(this.#longestMs, turnMs);
    this.#beforeMs = nowMs;
  }
}

function cpuMs(): number {
  const { user, system } = threadCpuUsage();
  return (user + system) / 1_000;
}
