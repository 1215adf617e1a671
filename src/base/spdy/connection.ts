// SPDY/3.1 over a byte stream, either end. As its users in Kubernetes have it: no windows, back-pressure is that of the
// connection below; one stream that nobody reads holds up the others.
import { Duplex } from 'node:stream';
import {
  type ControlFrame,
  controlFrame,
  type DataFrame,
  dataFrameHead,
  FrameReader,
  flagFin,
  frameType,
  resetStatus,
} from './frame.ts';
import { HeaderReader, HeaderWriter, type SpdyHeaders } from './header-block.ts';

export interface SpdyOptions {
  /** Who opened the connection opens odd streams. */
  readonly side: 'client' | 'server';
  /** Bytes read already, behind the HTTP head. */
  readonly head?: Buffer;
  /** The other end opened a stream; accepted when this returns. Default: streams are refused. */
  onStream?(stream: SpdyStream): void;
}

// One stream must not keep the others waiting for long.
const longestData = 64 << 10;

/** One stream: ends each direction by itself; `destroy` resets it. */
export class SpdyStream extends Duplex {
  readonly id: number;
  /** Those that opened it. */
  readonly headers: SpdyHeaders;
  readonly #connection: StreamOwner;
  #wanted: (() => void) | undefined;
  /** Ended or reset by the other end. */
  #over = false;
  #wasReset = false;

  constructor(id: number, headers: SpdyHeaders, connection: StreamOwner) {
    super({ allowHalfOpen: true });
    this.id = id;
    this.headers = headers;
    this.#connection = connection;
    // Without listeners a reset would end the process.
    this.on('error', () => {});
  }

  override _read(): void {
    this.#wanted?.();
    this.#wanted = undefined;
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    if (this.#wasReset) {
      done(resetError());
      return;
    }
    let at = 0;
    const next = (error?: Error | null): void => {
      if (error || at >= chunk.length) {
        done(error);
        return;
      }
      const piece = chunk.subarray(at, at + longestData);
      at += piece.length;
      this.#connection.send([dataFrameHead(this.id, 0, piece.length), piece], next);
    };
    next();
  }

  override _final(done: (error?: Error | null) => void): void {
    if (this.#wasReset) done();
    else this.#connection.send([dataFrameHead(this.id, flagFin, 0)], done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#wanted?.();
    this.#connection.forget(this, !this.#wasReset && (!this.#over || !this.writableFinished));
    done(error);
  }

  /** What arrived; resolves when there is room for more. */
  receive(chunk: Buffer, last: boolean): Promise<void> | undefined {
    if (this.destroyed || this.#over) return undefined;
    const room = chunk.length === 0 || this.push(chunk);
    if (last) {
      this.#over = true;
      this.push(null);
    }
    if (room || last) return undefined;
    return new Promise(resolve => {
      this.#wanted = resolve;
    });
  }

  /**
   * The other end is done with it: what came before can still be read. Go's servers close their streams so when they
   * close the connection.
   */
  reset(): void {
    this.#wasReset = true;
    void this.receive(Buffer.alloc(0), true);
    this.end();
  }

  /** The connection ended; whoever has not seen the end of the stream by then is told. */
  abandon(): void {
    const lost = !this.#over;
    this.#wasReset = true;
    if (lost) this.destroy(new Error('read a SPDY stream: the connection has ended'));
    else this.end();
  }
}

const resetError = () => new Error('write to a SPDY stream: the other end reset it');

interface StreamOwner {
  send(parts: readonly Buffer[], done?: (error?: Error | null) => void): void;
  forget(stream: SpdyStream, reset: boolean): void;
}

export class SpdyConnection {
  readonly #socket: Duplex;
  readonly #options: SpdyOptions;
  readonly #reader = new FrameReader();
  readonly #headerReader = new HeaderReader();
  readonly #headerWriter = new HeaderWriter();
  readonly #streams = new Map<number, SpdyStream>();
  readonly #opening = new Map<number, { stream: SpdyStream; reply: PromiseWithResolvers<SpdyStream> }>();
  #nextId: number;
  #lastSeenId = 0;
  #ended = false;
  /** Resolves when the connection is gone, whichever way; streams are closed by then. */
  readonly closed: Promise<void>;
  readonly #owner: StreamOwner;

  constructor(socket: Duplex, options: SpdyOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#nextId = options.side === 'client' ? 1 : 2;
    this.#owner = {
      send: (parts, done) => this.#send(parts, done),
      forget: (stream, reset) => {
        if (this.#streams.delete(stream.id) && reset) this.#reset(stream.id, resetStatus.cancel);
      },
    };
    socket.on('error', () => {});
    this.closed = this.#run();
  }

  /** Resolves when the other end accepted it. */
  open(headers: SpdyHeaders): Promise<SpdyStream> {
    const reply = Promise.withResolvers<SpdyStream>();
    if (this.#ended || this.#socket.destroyed) {
      reply.reject(new Error('open a SPDY stream: the connection has ended'));
      return reply.promise;
    }
    const id = this.#nextId;
    this.#nextId += 2;
    const stream = new SpdyStream(id, headers, this.#owner);
    this.#opening.set(id, { stream, reply });
    this.#streams.set(id, stream);
    this.#send([controlFrame(frameType.synStream, 0, id, 0, Buffer.alloc(2), this.#headerWriter.write(headers))]);
    return reply.promise;
  }

  /** Says goodbye and closes; what streams still hold back for want of room is lost. */
  close(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#send([controlFrame(frameType.goAway, 0, this.#lastSeenId, 0)]);
    this.#socket.end();
  }

  destroy(): void {
    this.#ended = true;
    this.#socket.destroy();
  }

  #send(parts: readonly Buffer[], done?: (error?: Error | null) => void): void {
    const socket = this.#socket;
    if (socket.destroyed || socket.writableEnded) {
      done?.(new Error('write to a SPDY stream: the connection has ended'));
      return;
    }
    socket.cork();
    parts.forEach((part, i) => void socket.write(part, i === parts.length - 1 ? done : undefined));
    socket.uncork();
  }

  #reset(id: number, status: number): void {
    if (!this.#ended) this.#send([controlFrame(frameType.reset, 0, id, status)]);
  }

  async #run(): Promise<void> {
    try {
      if (this.#options.head?.length) await this.#receive(this.#options.head);
      for await (const chunk of this.#socket) await this.#receive(chunk as Buffer);
    } catch {
      // A broken connection or a peer that speaks otherwise: the streams tell their users below.
    } finally {
      this.#ended = true;
      this.#socket.destroy();
      this.#headerReader.close();
      const error = new Error('read a SPDY stream: the connection has ended');
      for (const { reply } of this.#opening.values()) reply.reject(error);
      this.#opening.clear();
      for (const stream of this.#streams.values()) stream.abandon();
      this.#streams.clear();
    }
  }

  async #receive(chunk: Buffer): Promise<void> {
    for (const frame of this.#reader.push(chunk)) {
      const waiting = frame.control ? this.#onControl(frame) : this.#onData(frame);
      if (waiting) await waiting;
    }
  }

  #onData(frame: DataFrame): Promise<void> | undefined {
    const stream = this.#streams.get(frame.streamId);
    if (stream) return stream.receive(frame.body, (frame.flags & flagFin) !== 0);
    return undefined;
  }

  #onControl(frame: ControlFrame): Promise<void> | undefined {
    const id = frame.body.length >= 4 ? frame.body.readUInt32BE(0) & 0x7fffffff : 0;
    switch (frame.type) {
      case frameType.synStream:
        return this.#onOpened(id, frame);
      case frameType.synReply:
        return this.#onReply(id, frame);
      case frameType.reset: {
        const error = new Error('read a SPDY stream: the other end reset it');
        const opening = this.#opening.get(id);
        this.#opening.delete(id);
        opening?.reply.reject(error);
        const stream = this.#streams.get(id);
        this.#streams.delete(id);
        stream?.reset();
        return undefined;
      }
      case frameType.ping:
        // Own pings are never sent, so each one wants its echo.
        this.#send([controlFrame(frameType.ping, 0, id)]);
        return undefined;
      case frameType.headers:
        return this.#headerReader.read(frame.body.subarray(4)).then(() => {});
      default:
        return undefined;
    }
  }

  async #onOpened(id: number, frame: ControlFrame): Promise<void> {
    const headers = await this.#headerReader.read(frame.body.subarray(10));
    this.#lastSeenId = id;
    if (!this.#options.onStream || this.#ended) return this.#reset(id, resetStatus.refusedStream);
    const stream = new SpdyStream(id, headers, this.#owner);
    this.#streams.set(id, stream);
    this.#send([controlFrame(frameType.synReply, 0, id, this.#headerWriter.write({}))]);
    if (frame.flags & flagFin) void stream.receive(Buffer.alloc(0), true);
    this.#options.onStream(stream);
  }

  async #onReply(id: number, frame: ControlFrame): Promise<void> {
    await this.#headerReader.read(frame.body.subarray(4));
    const opening = this.#opening.get(id);
    this.#opening.delete(id);
    opening?.reply.resolve(opening.stream);
    if (opening && frame.flags & flagFin) void opening.stream.receive(Buffer.alloc(0), true);
  }
}
