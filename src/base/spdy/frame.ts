// Frames of SPDY/3.1 on the wire.

export const frameType = {
  synStream: 1,
  synReply: 2,
  reset: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  headers: 8,
  windowUpdate: 9,
} as const;

export const flagFin = 1;

/** Reasons of RST_STREAM. */
export const resetStatus = { protocolError: 1, refusedStream: 3, cancel: 5 } as const;

export interface ControlFrame {
  readonly control: true;
  readonly type: number;
  readonly flags: number;
  readonly body: Buffer;
}

export interface DataFrame {
  readonly control: false;
  readonly streamId: number;
  readonly flags: number;
  readonly body: Buffer;
}

export type Frame = ControlFrame | DataFrame;

const version = 3;
const headBytes = 8;

export function dataFrameHead(streamId: number, flags: number, length: number): Buffer {
  const head = Buffer.alloc(headBytes);
  head.writeUInt32BE(streamId, 0);
  head.writeUInt32BE(((flags << 24) | length) >>> 0, 4);
  return head;
}

export function controlFrame(type: number, flags: number, ...body: readonly (number | Buffer)[]): Buffer {
  const parts = body.map(part => (typeof part === 'number' ? word(part) : part));
  const length = parts.reduce((sum, p) => sum + p.length, 0);
  return Buffer.concat([word(0x80000000 | (version << 16) | type), word((flags << 24) | length), ...parts]);
}

function word(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0, 0);
  return bytes;
}

// Data frames of Go's clients hold at most 32 KiB; a frame may say 16 MiB.
const longestFrame = 1 << 22;

/** Cuts what arrives into frames. */
export class FrameReader {
  #buffer: Buffer = Buffer.alloc(0);

  /** Frames that are complete now. Throws for another version and for one that is too long. */
  push(chunk: Buffer): Frame[] {
    this.#buffer = this.#buffer.length ? Buffer.concat([this.#buffer, chunk]) : chunk;
    const frames: Frame[] = [];
    for (;;) {
      const buffer = this.#buffer;
      if (buffer.length < headBytes) return frames;
      const length = buffer.readUIntBE(5, 3);
      if (length > longestFrame) throw new RangeError(`read a SPDY frame: ${length} bytes are too many`);
      if (buffer.length < headBytes + length) return frames;
      frames.push(frameOf(buffer, buffer.subarray(headBytes, headBytes + length)));
      this.#buffer = buffer.subarray(headBytes + length);
    }
  }
}

function frameOf(buffer: Buffer, body: Buffer): Frame {
  const first = buffer.readUInt32BE(0);
  const flags = buffer[4]!;
  if (first < 0x80000000) return { control: false, streamId: first, flags, body };
  const spoken = (first >>> 16) & 0x7fff;
  if (spoken !== version) throw new RangeError(`read a SPDY frame: version ${spoken} instead of ${version}`);
  return { control: true, type: first & 0xffff, flags, body };
}
