/**
 * Notices a peer that makes others wait: memory is held for it, and nothing comes or goes. Counts
 * checks instead of reading a clock; whoever checks in an interval knows the time from the count.
 */
export class StallCounter {
  #progressed = false;
  #stalledChecks = 0;

  /** To be called whenever something was finished with the peer. */
  progress(): void {
    this.#progressed = true;
  }

  /**
   * @param holding whether memory is held for the peer now
   * @returns how many checks in a row have found it held without progress
   */
  check(holding: boolean): number {
    this.#stalledChecks = holding && !this.#progressed ? this.#stalledChecks + 1 : 0;
    this.#progressed = false;
    return this.#stalledChecks;
  }
}
