/**
 * Whether the object store takes writes at the moment: a circuit breaker. A streak of failed PUTs
 * opens it, and then nobody waits out timeouts on every request; a probe that is written until one
 * succeeds closes it again, so that no client request has to be the guinea pig (DESIGN §5, §11).
 */
import type { Logger } from 'pino';
import type { Clock } from '../../runtime/index.ts';

export type StoreState = 'ok' | 'failing';

/** A shorter or younger streak is what retries are for. */
const FAILURES_TO_OPEN = 3;
const STREAK_MS_TO_OPEN = 2_000;

export interface StoreHealthOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** Writes something to the store; rejects when that fails. Never called twice at once. */
  readonly probe: () => Promise<void>;
  /** Pause between the end of one probe and the next. */
  readonly probeIntervalMs: number;
  /** Called when the state has changed. */
  readonly onChange: (state: StoreState) => void;
}

export class StoreHealth {
  readonly #options: StoreHealthOptions;
  #state: StoreState = 'ok';
  #failures = 0;
  #streakSinceMs = 0;
  #probing = false;
  #cancelProbe: (() => void) | undefined;
  #closed = false;

  constructor(options: StoreHealthOptions) {
    this.#options = options;
  }

  get state(): StoreState {
    return this.#state;
  }

  /** A PUT was answered as it should be; that the key exists is such an answer, too. */
  succeeded(): void {
    this.#failures = 0;
    if (this.#state === 'ok') return;
    this.#options.log.info('the object store takes writes again');
    this.#change('ok');
  }

  /**
   * A PUT failed.
   * @param startedMs when it began, monotonic: one that hung for long is a long streak
   */
  failed(startedMs: number, error: unknown): void {
    if (this.#failures === 0) this.#streakSinceMs = startedMs;
    this.#failures += 1;
    if (this.#state === 'failing' || this.#failures < FAILURES_TO_OPEN) return;
    if (this.#options.clock.monotonicMs() - this.#streakSinceMs < STREAK_MS_TO_OPEN) return;
    const facts = { err: error, failures: this.#failures };
    this.#options.log.error(facts, 'the object store does not take writes');
    this.#change('failing');
    this.#probeWhileFailing();
  }

  /** Ends probing. */
  close(): void {
    this.#closed = true;
    this.#cancelProbe?.();
  }

  #change(state: StoreState): void {
    this.#state = state;
    this.#options.onChange(state);
  }

  #probeWhileFailing(): void {
    if (this.#probing || this.#closed || this.#state === 'ok') return;
    this.#probing = true;
    const { clock, probeIntervalMs } = this.#options;
    this.#cancelProbe = clock.after(probeIntervalMs, () => void this.#probe());
  }

  async #probe(): Promise<void> {
    try {
      await this.#options.probe();
      this.succeeded();
    } catch (error) {
      this.#options.log.debug({ err: error }, 'the object store still does not take writes');
    }
    this.#probing = false;
    this.#probeWhileFailing();
  }
}
