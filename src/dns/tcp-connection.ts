// Questions over one TCP connection: each message behind its length (RFC 1035 4.2.2), several at once (RFC 7766).
import type { Socket } from 'node:net';
import type { Clock } from '../base/clock.ts';

const idleMs = 10_000;
const maxInFlight = 64;

export interface TcpConnectionOptions {
  readonly clock: Clock;
  readonly handle: (message: Uint8Array) => Uint8Array | undefined | Promise<Uint8Array | undefined>;
  readonly puzzled: (error: unknown) => void;
}

/** Answers until the other side has ended, and then what it had still asked. The socket must allow to be half open. */
export function answerConnection(socket: Socket, { clock, handle, puzzled }: TcpConnectionOptions): void {
  let received: Buffer = Buffer.alloc(0);
  let inFlight = 0;
  let ended = false;
  const idleTimer = () => clock.after(idleMs, () => socket.destroy());
  let idle = idleTimer();
  const flow = () => {
    // Who does not read its answers is not read either: they would fill the memory.
    const full = () => inFlight >= maxInFlight || socket.writableNeedDrain;
    while (!full() && take());
    if (full()) socket.pause();
    else socket.resume();
    if (ended && inFlight === 0 && !full()) socket.end();
  };
  const answer = async (message: Uint8Array) => {
    inFlight++;
    try {
      const reply = await handle(message);
      if (!reply || socket.destroyed) return;
      const length = Buffer.alloc(2);
      length.writeUInt16BE(reply.length);
      socket.write(Buffer.concat([length, reply]));
    } catch (error) {
      puzzled(error);
      socket.destroy();
    } finally {
      inFlight--;
      flow();
    }
  };
  /** Begins the next whole message, if there is one. */
  const take = (): boolean => {
    if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) return false;
    const end = 2 + received.readUInt16BE(0);
    const message = received.subarray(2, end);
    received = received.subarray(end);
    void answer(message);
    return true;
  };
  socket.on('data', (chunk: Buffer) => {
    idle.cancel();
    idle = idleTimer();
    received = received.length ? Buffer.concat([received, chunk]) : chunk;
    flow();
  });
  socket.on('drain', flow);
  socket.on('end', () => {
    ended = true;
    flow();
  });
  socket.on('error', () => {});
  socket.on('close', () => idle.cancel());
}
