import { Socket } from 'node:net';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { ByteBudget } from '../../../../runtime/index.ts';
import { type Frame, FrameReader } from '../../../../proxy/net/frame-reader.ts';

const FRAME_BYTES_MAX = 1024 * 1024;

interface Reading {
  readonly reader: FrameReader;
  readonly frames: Frame[];
  readonly budget: ByteBudget;
  /** As if a socket had received it, in memory of its own. */
  readonly receive: (bytes: Buffer) => Buffer;
}

function reading(): Reading {
  // Not connected: what it receives is what the test says.
  const socket = new Socket();
  const budget = new ByteBudget(64 * FRAME_BYTES_MAX);
  const frames: Frame[] = [];
  const reader = new FrameReader({
    socket,
    budget,
    frameBytesMax: FRAME_BYTES_MAX,
    protocolErrorCode: 'PROXY_CLIENT_PROTOCOL',
    onFrame: (frame) => frames.push(frame),
    onError: (error) => {
      throw error;
    },
  });
  const receive = (bytes: Buffer): Buffer => {
    const chunk = Buffer.allocUnsafeSlow(bytes.length);
    bytes.copy(chunk);
    socket.emit('data', chunk);
    return chunk;
  };
  return { reader, frames, budget, receive };
}

function streamOf(bodies: readonly Buffer[]): Buffer {
  const withLengths = bodies.flatMap((body) => {
    const length = Buffer.alloc(4);
    length.writeInt32BE(body.length);
    return [length, body];
  });
  return Buffer.concat(withLengths);
}

test('frames are what was sent, wherever chunks end and whichever frames are released', () => {
  const body = fc.tuple(fc.integer({ min: 1, max: 60_000 }), fc.nat(255), fc.boolean());
  const cuts = fc.array(fc.integer({ min: 1, max: 70_000 }), { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(fc.array(body, { minLength: 1, maxLength: 8 }), cuts, (sizes, chunkBytes) => {
      const { frames, budget, receive } = reading();
      const bodies = sizes.map(([size, fill]) => Buffer.alloc(size, fill));
      const stream = streamOf(bodies);
      let at = 0;
      let checked = 0;
      for (let chunk = 0; at < stream.length; chunk++) {
        const end = at + (chunkBytes[chunk % chunkBytes.length] ?? 1);
        receive(stream.subarray(at, end));
        at = end;
        for (; checked < frames.length; checked++) {
          const frame = frames[checked];
          if (sizes[checked]?.[2] !== true) continue;
          expect(bodies[checked]?.equals(frame?.bytes ?? Buffer.alloc(0))).toBe(true);
          frame?.release();
        }
      }
      expect(frames.length).toBe(bodies.length);
      for (const [index, frame] of frames.entries()) {
        if (sizes[index]?.[2] === true) continue;
        expect(bodies[index]?.equals(frame.bytes)).toBe(true);
        frame.release();
      }
      expect(budget.bytesHeld).toBe(0);
    }),
  );
});

test('a chunk is free once it was copied, and a frame once it is released', () => {
  const { frames, budget, receive } = reading();
  const stream = streamOf([Buffer.alloc(100_000, 7)]);
  const chunks = [receive(stream.subarray(0, 65_536)), receive(stream.subarray(65_536))];
  expect(chunks.map(({ length }) => length)).toEqual([0, 0]);
  const view = frames[0]?.bytes.subarray(100, 200);
  expect(view?.equals(Buffer.alloc(100, 7))).toBe(true);
  frames[0]?.release();
  frames[0]?.release();
  expect(budget.bytesHeld).toBe(0);
  expect(view?.length).toBe(0);
});

test('a chunk of which a frame is a view stays, even when the frame is released', () => {
  const { frames, receive } = reading();
  const chunk = receive(streamOf([Buffer.alloc(20_000, 1), Buffer.alloc(20_000, 2)]));
  frames[0]?.release();
  expect(frames[1]?.bytes.equals(Buffer.alloc(20_000, 2))).toBe(true);
  expect(chunk.length).toBe(40_008);
});
