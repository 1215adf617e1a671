// One HTTP/2 connection: streams, windows, and a watch over its life.
import type http from 'node:http';
import http2 from 'node:http2';
import type tls from 'node:tls';
import type { Clock, Timer } from '../base/clock.ts';
import { NotSentError, type ResponseHandler, type TransportCall, type TransportRequest } from './transport.ts';

const pingEveryMs = 30_000;
const pingTimeoutMs = 15_000;
const sessionWindowBytes = 64 << 20;
const streamWindowBytes = 8 << 20;
// Servers allow 100 to 1000 streams; watches may take half of the least.
const maxLongLived = 100;

/** `usable` turns false, for good, when the connection is going or gone. */
export class Http2Session {
  readonly #session: http2.ClientHttp2Session;
  readonly #clock: Clock;
  #usable = true;
  #longLived = 0;

  private constructor(session: http2.ClientHttp2Session, clock: Clock) {
    this.#session = session;
    this.#clock = clock;
    const drop = () => {
      this.#usable = false;
    };
    session.on('goaway', drop);
    session.on('close', drop);
    session.on('error', drop);
    this.#keepAlive();
  }

  static open(origin: string, socket: tls.TLSSocket, clock: Clock): Promise<Http2Session> {
    return new Promise((resolve, reject) => {
      const session = http2.connect(origin, {
        createConnection: () => socket,
        maxSessionMemory: 1000,
        settings: { enablePush: false, initialWindowSize: streamWindowBytes },
      });
      session.once('connect', () => {
        session.setLocalWindowSize(sessionWindowBytes);
        resolve(new Http2Session(session, clock));
      });
      session.once('error', reject);
      session.once('close', () => reject(new NotSentError('connection closed')));
    });
  }

  get usable(): boolean {
    return this.#usable;
  }

  /** Room for another watch, without taking what short requests need. */
  get takesLongLived(): boolean {
    const allowed = this.#session.remoteSettings?.maxConcurrentStreams ?? maxLongLived;
    return this.#usable && this.#longLived < Math.min(maxLongLived, Math.max(1, allowed / 2));
  }

  get ended(): boolean {
    return this.#session.destroyed;
  }

  /** Takes no more requests; those it has go on. */
  retire(): void {
    this.#usable = false;
    this.#session.close();
  }

  close(): void {
    this.#usable = false;
    this.#session.destroy();
  }

  send(base: string, request: TransportRequest, handler: ResponseHandler): TransportCall {
    let stream: http2.ClientHttp2Stream;
    try {
      stream = this.#session.request(
        {
          ':method': request.method,
          ':path': base + request.path,
          ...request.headers,
          ...(request.body !== undefined ? { 'content-length': Buffer.byteLength(request.body) } : {}),
        },
        { endStream: request.body === undefined },
      );
    } catch (error) {
      // The session ended in this very moment.
      this.#usable = false;
      queueMicrotask(() => handler.onError(new NotSentError((error as Error).message)));
      return { cancel() {} };
    }
    if (request.longLived) {
      this.#longLived++;
      stream.once('close', () => {
        this.#longLived--;
      });
    }
    let head = false;
    let over = false;
    const finish = (error?: Error) => {
      if (over) return;
      over = true;
      if (error) handler.onError(error);
      else handler.onEnd();
    };
    stream.on('response', headers => {
      head = true;
      handler.onHead(Number(headers[':status']), headers as http.IncomingHttpHeaders);
    });
    stream.on('data', (chunk: Buffer) => over || handler.onData(chunk));
    // A reset stream ends as well.
    stream.on('end', () => {
      if (stream.rstCode) finish(new Error(`http2: stream reset by the server (code ${stream.rstCode})`));
      else if (head) finish();
    });
    stream.on('error', error => {
      const refused = stream.rstCode === http2.constants.NGHTTP2_REFUSED_STREAM;
      finish(refused ? new NotSentError(error.message) : error);
    });
    stream.on('close', () => {
      const refused = stream.rstCode === http2.constants.NGHTTP2_REFUSED_STREAM || stream.id === undefined;
      finish(
        refused ? new NotSentError('http2: request not accepted') : new Error('http2: stream closed unexpectedly'),
      );
    });
    if (request.body !== undefined) stream.end(request.body);
    return {
      cancel() {
        over = true;
        stream.close(http2.constants.NGHTTP2_CANCEL);
      },
    };
  }

  /** A peer that vanished without a word would leave watches hanging for ever. */
  #keepAlive(): void {
    const session = this.#session;
    const clock = this.#clock;
    let timer: Timer;
    const next = () => {
      timer = clock.after(pingEveryMs, () => {
        if (session.destroyed) return;
        timer = clock.after(pingTimeoutMs, () => session.destroy(new Error('http2: client connection lost')));
        try {
          session.ping(error => {
            timer.cancel();
            if (!error && !session.destroyed) next();
          });
        } catch {
          timer.cancel();
        }
      });
    };
    next();
    session.once('close', () => timer.cancel());
  }
}
