// Services of a protobufjs JSON descriptor as objects with a function a method.
import type { GrpcChannel, Method } from './grpc.ts';
import { compileMessages, type TypeDescriptor } from './protobuf.ts';
import type { CallOptions } from './type.ts';

interface ServiceDescriptor extends TypeDescriptor {
  readonly methods?: Readonly<
    Record<string, { readonly requestType: string; readonly responseType: string; readonly responseStream?: boolean }>
  >;
}

/** Messages and services of one package, by name. */
export type PackageDescriptor = Readonly<Record<string, ServiceDescriptor>>;

export interface ServiceMethod {
  readonly method: Method;
  /** The response is a stream. */
  readonly stream: boolean;
}

/** The methods of `services`, ready to be called or served; `name` is the package's: `csi.v1`. */
export function serviceMethods(
  name: string,
  types: PackageDescriptor,
  services: readonly string[],
): readonly ServiceMethod[] {
  const codec = compileMessages(types);
  return services.flatMap(service =>
    Object.entries(types[service]?.methods ?? {}).map(([method, m]) => ({
      method: {
        name: method,
        path: `/${name}.${service}/${method}`,
        request: codec(m.requestType),
        response: codec(m.responseType),
      },
      stream: m.responseStream === true,
    })),
  );
}

/** `timeoutMs` bounds each call that has none of its own; streams have none. */
export function grpcClient<T>(channel: GrpcChannel, methods: readonly ServiceMethod[], timeoutMs: number): T {
  const calls: Record<string, unknown> = {};
  for (const { method, stream } of methods)
    calls[method.name] = stream
      ? (request: object, call: CallOptions, onMessage: (message: object) => void) =>
          channel.serverStream(method, request, call, onMessage)
      : (request: object, call?: CallOptions) => channel.unary(method, request, call, timeoutMs);
  return calls as T;
}
