/** Where tests end a worker, as a crash would: in the middle of a job. */

/**
 * @param name of the step at which to die, `<job>:<step>`; undefined for none
 * @returns what jobs call at each of their steps
 */
export function failpointOf(name: string | undefined): (name: string) => Promise<void> {
  return async (reached) => {
    if (reached !== name) return;
    process.kill(process.pid, 'SIGKILL');
    // Nothing more may happen until the signal arrives.
    await new Promise(() => undefined);
  };
}
