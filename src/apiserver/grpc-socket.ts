// Calls over gRPC to a plugin that listens on a unix socket.
import { credentials, Client as GrpcClient, type ServiceError, status } from '@grpc/grpc-js';
import type { Clock } from '../base/clock.ts';
import type { Decoded, Fields, Input, Message } from '../store/etcd-wire.ts';

export class GrpcSocket {
  readonly #client: GrpcClient;
  readonly #clock: Clock;
  readonly #timeoutMs: number;

  /** `address`: `unix:/path` or `unix-abstract:name`. Connects with the first call. */
  constructor(address: string, timeoutMs: number, clock: Clock) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    this.#client = new GrpcClient(address, credentials.createInsecure(), {
      'grpc.default_authority': 'localhost',
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 1000,
    });
  }

  /** `method`: `/v2.KeyManagementService/Status`. Rejects when there is no answer in time. */
  call<I extends Fields, O extends Fields>(
    method: string,
    request: Message<I>,
    response: Message<O>,
    input: Input<I>,
  ): Promise<Decoded<O>> {
    return new Promise((resolve, reject) => {
      const asked = this.#client.makeUnaryRequest(
        method,
        (value: Input<I>) => request.encode(value),
        (bytes: Buffer) => response.decode(bytes),
        input,
        (error: ServiceError | null, answer?: Decoded<O>) => {
          timer.cancel();
          if (error) reject(new GrpcError(status[error.code], error));
          else resolve(answer!);
        },
      );
      const timer = this.#clock.after(this.#timeoutMs, () => asked.cancel());
    });
  }

  close(): void {
    this.#client.close();
  }
}

export class GrpcError extends Error {
  override name = 'GrpcError';
  /** `UNAVAILABLE`. */
  readonly code: string;

  constructor(code: string, cause: ServiceError) {
    super(`rpc error: code = ${code} desc = ${cause.details}`, { cause });
    this.code = code;
  }
}
