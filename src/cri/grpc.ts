import { Client, credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import type { Clock } from '../base/clock.ts';
import type { MessageCodec } from './protobuf.ts';
import { RuntimeError } from './runtime-error.ts';
import type { CallOptions } from './type.ts';

/** One method of a service, ready to be called. */
export interface Method<Request extends object = any, Response extends object = any> {
  readonly name: string;
  /** `/package.Service/Method` */
  readonly path: string;
  readonly request: MessageCodec<Request>;
  readonly response: MessageCodec<Response>;
}

/** A channel to a Unix socket; connects on the first call and reconnects by itself. */
export class GrpcChannel {
  readonly #client: Client;
  readonly #clock: Clock;

  constructor(socket: string, clock: Clock) {
    this.#clock = clock;
    this.#client = new Client(`unix:${socket}`, credentials.createInsecure(), {
      'grpc.max_receive_message_length': 64 << 20,
      'grpc.max_send_message_length': 64 << 20,
      'grpc.initial_reconnect_backoff_ms': 50,
      'grpc.min_reconnect_backoff_ms': 50,
      'grpc.max_reconnect_backoff_ms': 1000,
      'grpc.enable_retries': 0,
    });
  }

  /** Rejects with a RuntimeError; `timeoutMs` of the options wins over `defaultTimeoutMs`, 0 means no limit. */
  unary<Q extends object, S extends object>(
    method: Method<Q, S>,
    request: Q,
    options: CallOptions | undefined,
    defaultTimeoutMs: number,
    metadata: Metadata = emptyMetadata,
  ): Promise<S> {
    return new Promise((resolve, reject) => {
      const guard = new CallGuard(method.name, options, defaultTimeoutMs, this.#clock);
      if (options?.signal?.aborted) return reject(guard.failure());
      const call = this.#client.makeUnaryRequest(
        method.path,
        method.request.encode,
        method.response.decode,
        request,
        metadata,
        (error, response) => {
          guard.end();
          if (error) reject(guard.failure(error));
          else resolve(response!);
        },
      );
      guard.begin(() => call.cancel());
    });
  }

  /** Resolves when the server ends the stream or the signal aborts it. */
  serverStream<Q extends object, S extends object>(
    method: Method<Q, S>,
    request: Q,
    options: CallOptions,
    onMessage: (message: S) => void,
    metadata: Metadata = emptyMetadata,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      if (options.signal?.aborted) return resolve();
      const guard = new CallGuard(method.name, options, 0, this.#clock);
      const call = this.#client.makeServerStreamRequest(
        method.path,
        method.request.encode,
        method.response.decode,
        request,
        metadata,
      );
      call.on('data', onMessage);
      call.on('error', error => {
        guard.end();
        if (options.signal?.aborted) resolve();
        else reject(guard.failure(error as ServiceError));
      });
      call.on('end', () => {
        guard.end();
        resolve();
      });
      guard.begin(() => call.cancel());
    });
  }

  close(): void {
    this.#client.close();
  }
}

const emptyMetadata = new Metadata();

/** Cancels a call on its time limit or its signal, and words the failure accordingly. */
class CallGuard {
  readonly #method: string;
  readonly #signal: AbortSignal | undefined;
  readonly #timeoutMs: number;
  readonly #clock: Clock;
  #timedOut = false;
  #end: (() => void) | undefined;

  constructor(method: string, options: CallOptions | undefined, defaultTimeoutMs: number, clock: Clock) {
    this.#method = method;
    this.#signal = options?.signal;
    this.#timeoutMs = options?.timeoutMs ?? defaultTimeoutMs;
    this.#clock = clock;
  }

  begin(cancel: () => void): void {
    const timer =
      this.#timeoutMs > 0
        ? this.#clock.after(this.#timeoutMs, () => {
            this.#timedOut = true;
            cancel();
          })
        : undefined;
    this.#signal?.addEventListener('abort', cancel, { once: true });
    this.#end = () => {
      timer?.cancel();
      this.#signal?.removeEventListener('abort', cancel);
    };
  }

  end(): void {
    this.#end?.();
  }

  failure(error?: ServiceError): RuntimeError {
    if (this.#timedOut) return new RuntimeError(this.#method, 'DeadlineExceeded', 'context deadline exceeded');
    if (this.#signal?.aborted)
      return new RuntimeError(this.#method, 'Canceled', 'context canceled', { cause: this.#signal.reason });
    return new RuntimeError(this.#method, error?.code ?? 'Unknown', error?.details ?? '', { cause: error });
  }
}
