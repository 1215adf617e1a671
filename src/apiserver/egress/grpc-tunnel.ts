// Connections through konnectivity's ProxyService: a stream of packets each.

import { Duplex } from 'node:stream';
import { type ClientDuplexStream, credentials, Client as GrpcClient, type ServiceError } from '@grpc/grpc-js';
import type { Clock } from '../../base/clock.ts';
import { unixDialError } from './http-connect.ts';
import { ProxyError } from './proxy-error.ts';
import { packetType as kind, type Packet, packet, proxyMethod, type ReceivedPacket } from './proxy-packet.ts';

type Call = ClientDuplexStream<Packet, ReceivedPacket>;

const dialMs = 30_000;
/** A message is well below what servers take of one. */
const pieceBytes = 64 << 10;

export class GrpcTunnels {
  readonly #client: GrpcClient;
  readonly #clock: Clock;
  readonly #socketPath: string;
  readonly #random: () => bigint;

  /** Connects with the first dial; connections share it. `random`: 53 bits. */
  constructor(socketPath: string, clock: Clock, random: () => bigint) {
    this.#clock = clock;
    this.#socketPath = socketPath;
    this.#random = random;
    this.#client = new GrpcClient(`unix:${socketPath}`, credentials.createInsecure(), {
      'grpc.default_authority': 'localhost',
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 1000,
      'grpc.max_receive_message_length': -1,
    });
  }

  /** Rejects with a ProxyError. */
  dial(address: string): Promise<Duplex> {
    const call: Call = this.#client.makeBidiStreamRequest(
      proxyMethod,
      (value: Packet) => packet.encode(value),
      (bytes: Buffer) => packet.decode(bytes),
    );
    const random = this.#random();
    return new Promise((resolve, reject) => {
      const timer = this.#clock.after(dialMs, () => {
        call.write({ type: kind.closeDial, closeDial: { random } });
        fail('dial timeout, context deadline exceeded');
      });
      const fail = (message: string, cause?: ServiceError) => {
        timer.cancel();
        call.off('data', answered);
        call.end();
        reject(new ProxyError(message, cause?.code === unavailable ? 'connect' : 'proxy', cause));
      };
      const broken = (error: ServiceError) => fail(this.#fault(error), error);
      const ended = () => fail('tunnel closed');
      const answered = ({ type, dialResponse, closeResponse }: ReceivedPacket) => {
        if (type === kind.closeResponse) fail(closeResponse?.error || 'dial closed');
        if (type === kind.closeDial) fail('dial closed');
        if (type !== kind.dialResponse || dialResponse?.random !== random) return;
        if (dialResponse.error) return fail(dialResponse.error);
        timer.cancel();
        call.off('data', answered).off('error', broken).off('end', ended);
        resolve(new Tunnel(call, dialResponse.connectId));
      };
      // What comes when it is over already.
      call.on('error', () => {});
      call.on('data', answered).once('error', broken).once('end', ended);
      call.write({ type: kind.dialRequest, dialRequest: { protocol: 'tcp', address, random } });
    });
  }

  /** In Go's words where the server could not be reached. */
  #fault({ details, message }: ServiceError): string {
    const code = /connect (E[A-Z]+) /.exec(details)?.[1];
    if (!code) return details || message;
    const why = unixDialError(this.#socketPath, Object.assign(new Error(details), { code }));
    return `connection error: desc = ${JSON.stringify(`transport: Error while dialing: ${why}`)}`;
  }

  close(): void {
    this.#client.close();
  }
}

const unavailable = 14;

/** One connection. It has no half that closes alone. */
class Tunnel extends Duplex {
  readonly #call: Call;
  readonly #connectId: bigint;
  #closing = false;

  constructor(call: Call, connectId: bigint) {
    super({ allowHalfOpen: false });
    this.#call = call;
    this.#connectId = connectId;
    call.on('data', (received: ReceivedPacket) => this.#take(received));
    call.once('error', error => this.destroy(error));
    call.once('end', () => this.push(null));
  }

  #take({ type, data, closeResponse }: ReceivedPacket): void {
    if (type === kind.data && data) {
      if (data.error) this.destroy(new Error(data.error));
      else if (!this.push(data.data)) this.#call.pause();
    } else if (type === kind.closeResponse) {
      this.#closing = true;
      if (closeResponse?.error) this.destroy(new Error(closeResponse.error));
      else this.push(null);
    }
  }

  override _read(): void {
    this.#call.resume();
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    let at = 0;
    const next = (error?: Error | null) => {
      if (error || at >= chunk.length) return done(error);
      const data = chunk.subarray(at, at + pieceBytes);
      at += pieceBytes;
      this.#call.write({ type: kind.data, data: { connectId: this.#connectId, data } }, next);
    };
    next();
  }

  override _final(done: () => void): void {
    this.#close();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#close();
    this.#call.end();
    this.#call.resume();
    done(error);
  }

  #close(): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#call.write({ type: kind.closeRequest, closeRequest: { connectId: this.#connectId } });
  }

  // What an agent of HTTP without TLS does with its sockets: nothing that a tunnel could do.
  setKeepAlive = (): this => this;
  setNoDelay = (): this => this;
  setTimeout = (): this => this;
  ref = (): this => this;
  unref = (): this => this;
}
