/**
 * Metrics for Prometheus whose values are kept elsewhere: every figure is read from the part that
 * owns it at the moment of the scrape. Nothing is counted here, so nothing is counted twice.
 */
import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client';

/** Reads a metric at the moment of a scrape: one sample for each set of labels. */
export type Samples = () => readonly (readonly [labels: Record<string, string>, value: number])[];

/** One name, or several. */
type Labels = string | string[];

/** Declares metrics. Their names begin with `outrigger_`. */
export class Scrape {
  readonly registry: Registry;

  /** @param registry of the process and, when several parts share a process, of all of them */
  constructor(registry: Registry) {
    this.registry = registry;
  }

  /** @returns metrics with those of the process, its memory and its event loop, among them */
  static ofProcess(): Scrape {
    const registry = new Registry();
    collectDefaultMetrics({ register: registry, prefix: 'outrigger_' });
    return new Scrape(registry);
  }

  /** A value that goes up and down. */
  gauge(name: string, help: string, value: () => number): void {
    this.#gauge(name, help, [], () => [[{}, value()]]);
  }

  gauges(name: string, help: string, labels: Labels, samples: Samples): void {
    this.#gauge(name, help, [labels].flat(), samples);
  }

  /** A count since the start. */
  total(name: string, help: string, value: () => number): void {
    this.#total(name, help, [], () => [[{}, value()]]);
  }

  totals(name: string, help: string, labels: Labels, samples: Samples): void {
    this.#total(name, help, [labels].flat(), samples);
  }

  #gauge(name: string, help: string, labelNames: string[], samples: Samples): void {
    const collect = (): void => {
      // What has no sample any more, a group given up, must not be shown with its last one.
      gauge.reset();
      for (const [labels, value] of samples()) gauge.set(labels, value);
    };
    const registers = [this.registry];
    const gauge = new Gauge({ name: `outrigger_${name}`, help, labelNames, registers, collect });
  }

  #total(name: string, help: string, labelNames: string[], samples: Samples): void {
    const collect = (): void => {
      counter.reset();
      for (const [labels, value] of samples()) counter.inc(labels, value);
    };
    const counter = new Counter({
      name: `outrigger_${name}_total`,
      help,
      labelNames,
      registers: [this.registry],
      collect,
    });
  }
}
