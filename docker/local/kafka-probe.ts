/**
 * Asks a broker whom it knows, with one raw Metadata request: how a start is waited for. Log lines
 * differ between releases and say too little; a broker that names itself is registered, unfenced
 * and serves requests.
 */
import { connect } from 'node:net';

const METADATA_API_KEY = 3;
const METADATA_VERSION = 1;
const TIMEOUT_MS = 2_000;

/**
 * @param port a plaintext listener on 127.0.0.1
 * @returns the ids of the live brokers, or undefined when there was no answer
 */
export async function probeBrokers(port: number): Promise<number[] | undefined> {
  const socket = connect({ host: '127.0.0.1', port });
  socket.setTimeout(TIMEOUT_MS, () => socket.destroy());
  try {
    socket.write(metadataRequest());
    let received = Buffer.alloc(0);
    for await (const chunk of socket) {
      received = Buffer.concat([received, Buffer.from(chunk)]);
      if (received.length >= 4 && received.length >= 4 + received.readInt32BE(0)) {
        return brokerIds(received.subarray(4));
      }
    }
    return undefined;
  } catch {
    // Not listening yet, or not answering: the caller asks again and has the log when it gives up.
    return undefined;
  } finally {
    socket.destroy();
  }
}

function metadataRequest(): Buffer {
  const request = Buffer.alloc(18);
  request.writeInt32BE(request.length - 4, 0);
  request.writeInt16BE(METADATA_API_KEY, 4);
  request.writeInt16BE(METADATA_VERSION, 6);
  request.writeInt32BE(1, 8); // correlation id
  request.writeInt16BE(-1, 12); // no client id
  request.writeInt32BE(0, 14); // no topics
  return request;
}

/** MetadataResponse v1: correlation id, then [node id, host, port, rack]. */
function brokerIds(response: Buffer): number[] {
  const ids: number[] = [];
  const count = response.readInt32BE(4);
  let at = 8;
  for (let i = 0; i < count; i++) {
    ids.push(response.readInt32BE(at));
    at += 4;
    at += 2 + response.readInt16BE(at) + 4;
    at += 2 + Math.max(response.readInt16BE(at), 0);
  }
  return ids;
}
