/**
 * Progress lines on stderr for a person who waits: what is being done, how far it is, how long it
 * took. Standard output stays free for what a command has to say.
 */

const REPEAT_MS = 5_000;

/** Prints one line. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

/**
 * Runs a step that may take a while, saying when it begins, every few seconds, and when it ends.
 * @param what the step, as in "Kafka 4.3.1: downloading from Maven Central"
 * @param work the step; it may call `report` with how far it is, as in "23 files"
 * @returns what the work returns
 */
export async function step<T>(
  what: string,
  work: (report: (state: string) => void) => Promise<T>,
): Promise<T> {
  const startMs = performance.now();
  let state = '';
  const seconds = (): string => `${Math.round((performance.now() - startMs) / 1000)} s`;
  const suffix = (): string => (state === '' ? '' : `, ${state}`);
  say(`${what} ...`);
  const timer = setInterval(() => say(`${what} ... ${seconds()}${suffix()}`), REPEAT_MS);
  try {
    const result = await work((next) => {
      state = next;
    });
    say(`${what}: done in ${seconds()}${suffix()}`);
    return result;
  } finally {
    clearInterval(timer);
  }
}
