/** gRPC status codes, under the names Go prints. */
export const grpcCode = {
  OK: 0,
  Canceled: 1,
  Unknown: 2,
  InvalidArgument: 3,
  DeadlineExceeded: 4,
  NotFound: 5,
  AlreadyExists: 6,
  PermissionDenied: 7,
  ResourceExhausted: 8,
  FailedPrecondition: 9,
  Aborted: 10,
  OutOfRange: 11,
  Unimplemented: 12,
  Internal: 13,
  Unavailable: 14,
  DataLoss: 15,
  Unauthenticated: 16,
} as const;
export type GrpcCode = keyof typeof grpcCode;

const names = Object.keys(grpcCode) as GrpcCode[];

/**
 * A call to the container runtime failed. `message` reads as Go's gRPC status does, because it ends in events and pod
 * statuses that people and tools know; `details` is the runtime's own text.
 */
export class RuntimeError extends Error {
  override name = 'RuntimeError';
  readonly method: string;
  readonly code: number;
  readonly codeName: GrpcCode;
  readonly details: string;

  constructor(method: string, code: GrpcCode | number, details: string, options?: ErrorOptions) {
    const codeName = typeof code === 'string' ? code : (names[code] ?? 'Unknown');
    super(`rpc error: code = ${codeName} desc = ${details}`, options);
    this.method = method;
    this.code = grpcCode[codeName];
    this.codeName = codeName;
    this.details = details;
  }
}

/** True for a failure of that code. */
export function isRuntimeError(error: unknown, code: GrpcCode): boolean {
  return error instanceof RuntimeError && error.codeName === code;
}

/** True when the sandbox, container or image asked for does not exist. */
export function isRuntimeNotFound(error: unknown): boolean {
  return isRuntimeError(error, 'NotFound');
}
