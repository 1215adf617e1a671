// A plugin for tests: gRPC on a unix socket.
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData, status } from '@grpc/grpc-js';
import type { Message } from '../store/etcd-wire.ts';

export interface TestMethod {
  readonly request: Message<any>;
  readonly response: Message<any>;
  /** What is thrown is an answer, too: INVALID_ARGUMENT. */
  answer(request: any): object;
}

/** `service`: `v2.KeyManagementService`. Gives what ends it. */
export async function startTestGrpc(
  socket: string,
  service: string,
  methods: Readonly<Record<string, TestMethod>>,
): Promise<() => void> {
  const server = new Server();
  const definition = Object.entries(methods).map(([name, { request, response }]) => [
    name,
    {
      path: `/${service}/${name}`,
      requestStream: false,
      responseStream: false,
      requestSerialize: (value: object) => request.encode(value),
      requestDeserialize: (bytes: Buffer) => request.decode(bytes),
      responseSerialize: (value: object) => response.encode(value),
      responseDeserialize: (bytes: Buffer) => response.decode(bytes),
    },
  ]);
  const handlers = Object.entries(methods).map(([name, { answer }]) => [
    name,
    (call: ServerUnaryCall<object, object>, done: sendUnaryData<object>) => {
      try {
        done(null, answer(call.request));
      } catch (error) {
        done({ code: status.INVALID_ARGUMENT, details: (error as Error).message });
      }
    },
  ]);
  server.addService(Object.fromEntries(definition), Object.fromEntries(handlers));
  await new Promise<void>((resolve, reject) =>
    server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), error =>
      error ? reject(error) : resolve(),
    ),
  );
  return () => server.forceShutdown();
}
