/**
 * What clients were told and what they read, and what of it must agree: the checker of all fault
 * tests. It knows Kafka's promises only, not how Outrigger keeps them.
 */

/** One acknowledged, or read, record. */
interface Seen {
  readonly sequence: number;
  readonly offset: number;
}

interface Transaction {
  readonly outcome: string;
  readonly sequence: number;
  readonly count: number;
}

interface PartitionHistory {
  readonly acked: Seen[];
  readonly read: Seen[];
  readonly failed: string[];
}

/** More than this many faults of one kind are not told apart any more. */
const FAULTS_SHOWN_MAX = 10;

export class History {
  readonly #partitions: PartitionHistory[] = [];
  readonly #transactions: Transaction[] = [];
  readonly #garbled: string[] = [];
  readonly consumerErrors: string[] = [];
  /** What clients have logged that is no ordinary reconnecting. */
  readonly complaints: string[] = [];

  /** @returns whether the line is an event of `Workload.java` */
  note(line: string): boolean {
    const [event = '', ...words] = line.split(' ');
    switch (event) {
      case 'ack':
        this.#of(words).acked.push(seen(words));
        return true;
      case 'read':
        this.#of(words).read.push(seen(words));
        return true;
      case 'failed':
        this.#of(words).failed.push(line);
        return true;
      case 'garbled':
        this.#garbled.push(line);
        return true;
      case 'consumer-error':
        this.consumerErrors.push(line);
        return true;
      case 'transaction':
        this.#transactions.push(transaction(words));
        return true;
      case 'sent':
      case 'transaction-error':
        return true;
      default:
        return false;
    }
  }

  ackedCount(partition: number): number {
    return this.#partitions[partition]?.acked.length ?? 0;
  }

  readCount(partition: number): number {
    return this.#partitions[partition]?.read.length ?? 0;
  }

  /** The log ends of all partitions together, as the offsets of acknowledgements have them. */
  logEnd(): number {
    return this.#partitions.reduce((sum, { acked }) => {
      return sum + 1 + acked.reduce((last, { offset }) => Math.max(last, offset), -1);
    }, 0);
  }

  /** The end of what was acknowledged so far, partition by partition. */
  marks(): number[] {
    return this.#partitions.map(({ acked }) => acked.length);
  }

  get failures(): string[] {
    return this.#partitions.flatMap(({ failed }) => failed);
  }

  get transactions(): readonly Transaction[] {
    return this.#transactions;
  }

  summary(): string {
    const counts = this.#partitions.map(
      ({ acked, read, failed }) => `${acked.length}/${read.length}/${failed.length}`,
    );
    const errors = this.consumerErrors.slice(-2).join('; ');
    return `acknowledged/read/failed by partition ${counts.join(' ')} ${errors}`;
  }

  /**
   * @returns what breaks a promise of Kafka to idempotent producers: an acknowledged record that
   *   was not read at its offset, one read twice or out of order, other bytes than were produced
   */
  faults(): string[] {
    const faults = [...this.#garbled];
    for (const [partition, { acked, read }] of this.#partitions.entries()) {
      const where = `partition ${partition}`;
      faults.push(...outOfOrder(where, read));
      faults.push(...unread(where, acked, read));
    }
    return faults.slice(0, FAULTS_SHOWN_MAX);
  }

  /** @returns the same for transactions: exactly what was committed is read */
  transactionFaults(): string[] {
    const faults = [...this.#garbled];
    for (const [partition, { read }] of this.#partitions.entries()) {
      faults.push(...outOfOrder(`partition ${partition}`, read));
      const sequences = new Set(read.map(({ sequence }) => sequence));
      for (const { outcome, sequence, count } of this.#transactions) {
        let found = 0;
        for (let i = 0; i < count; i++) if (sequences.has(sequence + i)) found += 1;
        const what = `${found} of ${count} records of the transaction at ${sequence} (${outcome})`;
        const isWhole = found === 0 || found === count;
        const isExpected = outcome === 'committed' ? found === count : found === 0;
        if (outcome === 'unknown' ? isWhole : isExpected) continue;
        faults.push(`partition ${partition}: ${what} were read`);
      }
    }
    return faults.slice(0, FAULTS_SHOWN_MAX);
  }

  /**
   * @param marks what had been acknowledged when the topic was deleted and created anew
   * @param reading of the new topic
   * @returns what was acknowledged after it and is not in the new topic
   */
  faultsSince(marks: readonly number[], reading: History): string[] {
    const faults: string[] = [];
    for (const [partition, { acked }] of this.#partitions.entries()) {
      const read = reading.#partitions[partition]?.read ?? [];
      faults.push(...unread(`partition ${partition}`, acked.slice(marks[partition]), read));
    }
    return faults.slice(0, FAULTS_SHOWN_MAX);
  }

  /** @returns where another reading of the same log differs from this one */
  differences(other: History): string[] {
    const differences: string[] = [];
    for (const [partition, { read }] of this.#partitions.entries()) {
      const again = other.#partitions[partition]?.read ?? [];
      if (JSON.stringify(read) === JSON.stringify(again)) continue;
      differences.push(`partition ${partition}: ${read.length} records, then ${again.length}`);
    }
    return differences;
  }

  #of([partition = '']: readonly string[]): PartitionHistory {
    const index = Number(partition);
    while (this.#partitions.length <= index) {
      this.#partitions.push({ acked: [], read: [], failed: [] });
    }
    const found = this.#partitions[index];
    if (found === undefined) throw new Error(`no partition ${partition}`);
    return found;
  }
}

function outOfOrder(where: string, read: readonly Seen[]): string[] {
  const faults: string[] = [];
  for (const [index, { sequence, offset }] of read.entries()) {
    const before = read[index - 1];
    if (before === undefined || sequence > before.sequence) continue;
    faults.push(`${where}: ${sequence} at ${offset} was read after ${before.sequence}`);
  }
  return faults;
}

function unread(where: string, acked: readonly Seen[], read: readonly Seen[]): string[] {
  const offsets = new Map(read.map(({ sequence, offset }) => [sequence, offset]));
  const faults: string[] = [];
  for (const { sequence, offset } of acked) {
    const found = offsets.get(sequence);
    if (found === offset) continue;
    const instead = found === undefined ? 'was not read' : `was read at ${found}`;
    faults.push(`${where}: ${sequence}, acknowledged at ${offset}, ${instead}`);
  }
  return faults;
}

function seen([, sequence, offset]: readonly string[]): Seen {
  return { sequence: Number(sequence), offset: Number(offset) };
}

function transaction([outcome = '', sequence, count]: readonly string[]): Transaction {
  return { outcome, sequence: Number(sequence), count: Number(count) };
}
