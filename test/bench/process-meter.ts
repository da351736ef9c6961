/**
 * What a running process uses, as Linux counts it: CPU time of all its threads, and the most memory
 * that it has held since the meter was started. It disturbs nothing about the process.
 */
import { readFile, writeFile } from 'node:fs/promises';

/** USER_HZ: what /proc counts CPU time in, the same on every architecture that Node.js runs on. */
const TICKS_PER_SECOND = 100;
/** Writing this to clear_refs sets the peak of the resident memory to what it is now. */
const RESET_PEAK = '5';
/** Position of utime in /proc/PID/stat, counted after the command's name; stime follows. */
const USER_TICKS_FIELD = 11;

export interface Usage {
  readonly userSeconds: number;
  readonly systemSeconds: number;
  /** Resident, at its highest. */
  readonly memoryPeakBytes: number;
}

export class ProcessMeter {
  readonly #pid: number;
  #startTicks: readonly [user: number, system: number] = [0, 0];

  constructor(pid: number) {
    this.#pid = pid;
  }

  /** From now on. */
  async start(): Promise<void> {
    await writeFile(`/proc/${this.#pid}/clear_refs`, RESET_PEAK);
    this.#startTicks = await this.#ticks();
  }

  /** @returns what was used since `start` */
  async read(): Promise<Usage> {
    const [user, system] = await this.#ticks();
    const [startUser, startSystem] = this.#startTicks;
    const status = await readFile(`/proc/${this.#pid}/status`, 'utf8');
    const peak = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1];
    return {
      userSeconds: (user - startUser) / TICKS_PER_SECOND,
      systemSeconds: (system - startSystem) / TICKS_PER_SECOND,
      memoryPeakBytes: Number(peak) * 1024,
    };
  }

  async #ticks(): Promise<[user: number, system: number]> {
    const stat = await readFile(`/proc/${this.#pid}/stat`, 'utf8');
    // The name is in parentheses and may hold anything, parentheses too.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return [Number(fields[USER_TICKS_FIELD]), Number(fields[USER_TICKS_FIELD + 1])];
  }
}

/** @returns the CPU time in user and kernel mode together */
export function cpuSeconds({ userSeconds, systemSeconds }: Usage): number {
  return userSeconds + systemSeconds;
}
