/** Fetches one block while the one before it is worked on, so that memory stays bounded. */

/**
 * @param reads one for each block, called in order, each not before the one before it has ended
 * @throws what a read throws, once everything before it was handed out
 */
export async function* readAhead<Block>(
  reads: Iterable<() => Promise<Block>>,
): AsyncGenerator<Block> {
  let under: Promise<Block> | undefined;
  for (const read of reads) {
    const block = await under;
    under = read();
    // Whoever stops early does not want to know how the block that comes next ended.
    under.catch(() => undefined);
    if (block !== undefined) yield block;
  }
  if (under !== undefined) yield await under;
}
