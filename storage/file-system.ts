/**
 * The part of node:fs that the filesystem store uses, and reads and writes that are done when every
 * byte is, however little one system call moves.
 */
import type * as nodeFiles from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';

/** The calls used, so that tests can make one fail. */
export type FileSystem = Pick<
  typeof nodeFiles,
  'link' | 'mkdir' | 'open' | 'readdir' | 'rename' | 'stat' | 'unlink'
>;

/** Linux takes no more pieces in one call (IOV_MAX). */
const PIECES_PER_CALL_MAX = 1024;

/** Writes the pieces one after the other from the file's current position. */
export async function writeFully(handle: FileHandle, pieces: readonly Buffer[]): Promise<void> {
  for (let i = 0; i < pieces.length; i += PIECES_PER_CALL_MAX) {
    let rest = skipBytes(pieces.slice(i, i + PIECES_PER_CALL_MAX), 0);
    while (rest.length > 0) {
      const { bytesWritten } = await handle.writev(rest);
      rest = skipBytes(rest, bytesWritten);
    }
  }
}

/** @returns `length` bytes from `position`, fewer if the file ends before */
export async function readFully(
  handle: FileHandle,
  position: number,
  length: number,
  allocate?: (byteCount: number) => Buffer,
): Promise<Buffer> {
  const bytes = allocate?.(length) ?? Buffer.allocUnsafeSlow(length);
  let at = 0;
  while (at < length) {
    const { bytesRead } = await handle.read(bytes, at, length - at, position + at);
    if (bytesRead === 0) break;
    at += bytesRead;
  }
  return bytes.subarray(0, at);
}

/** What is left of the pieces without their first bytes; no piece of the result is empty. */
function skipBytes(pieces: readonly Buffer[], byteCount: number): Buffer[] {
  const rest: Buffer[] = [];
  let skip = byteCount;
  for (const piece of pieces) {
    if (skip < piece.length) rest.push(skip === 0 ? piece : piece.subarray(skip));
    skip = Math.max(0, skip - piece.length);
  }
  return rest;
}
