/** Writes one Kafka frame to a socket in one system call, however many pieces it is in. */
import assert from 'node:assert/strict';
import type { Socket } from 'node:net';

/**
 * @param socket where to
 * @param chunks the frame without its length prefix; the pieces must not change until `onWritten`
 * @param onWritten called once: when the kernel has the bytes, or never will
 */
export function writeFrame(socket: Socket, chunks: readonly Buffer[], onWritten: () => void): void {
  assert.ok(chunks.length > 0, 'a frame has at least a header');
  const prefix = Buffer.allocUnsafe(4);
  let length = 0;
  for (const chunk of chunks) length += chunk.length;
  prefix.writeInt32BE(length, 0);
  socket.cork();
  socket.write(prefix);
  let left = chunks.length;
  for (const chunk of chunks) {
    left -= 1;
    if (left > 0) socket.write(chunk);
    else socket.write(chunk, onWritten);
  }
  socket.uncork();
}
