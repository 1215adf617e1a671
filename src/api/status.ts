// Every error that reaches a client is a Status made here: codes, reasons and messages as Kubernetes words them.

import { quote } from '../base/quote.ts';
import type { WholeNumber } from '../base/whole-number.ts';
import { untold } from './field-error.ts';
import type { ListMeta, Status, StatusCause } from './type/meta-v1.ts';

export type StatusReason =
  | ''
  | 'Unauthorized'
  | 'Forbidden'
  | 'NotFound'
  | 'AlreadyExists'
  | 'Conflict'
  | 'Gone'
  | 'Invalid'
  | 'ServerTimeout'
  | 'StoreReadError'
  | 'Timeout'
  | 'TooManyRequests'
  | 'BadRequest'
  | 'MethodNotAllowed'
  | 'NotAcceptable'
  | 'RequestEntityTooLarge'
  | 'UnsupportedMediaType'
  | 'InternalError'
  | 'Expired'
  | 'ServiceUnavailable'
  | 'InsufficientStorage';

/** What an error is about: `{ group: 'apps', resource: 'deployments' }` (or a kind, for Invalid). */
export interface GroupResource {
  readonly group: string;
  readonly resource: string;
}

/** An API outcome other than success. The only error type the server, clients and controllers pass on purpose. */
export class StatusError extends Error {
  override name = 'StatusError';
  readonly status: Status & { readonly code: number };
  /** Extra response headers (Retry-After). */
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    code: number,
    reason: StatusReason,
    message: string,
    details?: Status['details'],
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.status = {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      // What a client sent may be no text.
      message: message.toWellFormed(),
      ...(reason ? { reason } : {}),
      ...(details ? { details: details.name ? { ...details, name: details.name.toWellFormed() } : details } : {}),
      code,
    };
    this.headers = details?.retryAfterSeconds ? { 'retry-after': String(details.retryAfterSeconds) } : {};
  }

  get code(): number {
    return this.status.code;
  }

  get reason(): string {
    return this.status.reason ?? '';
  }

  /** The same error with list metadata: a continue token to go on with. */
  withListMeta(metadata: ListMeta): StatusError {
    (this as { status: StatusError['status'] }).status = { ...this.status, metadata };
    return this;
  }

  /** The same error with one more response header. */
  withHeader(name: string, value: string): this {
    (this as { headers: StatusError['headers'] }).headers = { ...this.headers, [name]: value };
    return this;
  }

  /** From a Status received over the wire. */
  static from(status: Status): StatusError {
    return new StatusError(
      status.code ?? 500,
      (status.reason ?? '') as StatusReason,
      status.message ?? 'unknown',
      status.details,
    );
  }
}

const qualified = (r: GroupResource) => (r.group ? `${r.resource}.${r.group}` : r.resource);
const detail = (r: GroupResource, name: string) => ({
  ...(name ? { name } : {}),
  ...(r.group ? { group: r.group } : {}),
  ...(r.resource ? { kind: r.resource } : {}),
});

export const notFound = (r: GroupResource, name: string) =>
  new StatusError(404, 'NotFound', `${qualified(r)} ${quote(name)} not found`, detail(r, name));
export const alreadyExists = (r: GroupResource, name: string) =>
  new StatusError(409, 'AlreadyExists', `${qualified(r)} ${quote(name)} already exists`, detail(r, name));
export const conflict = (r: GroupResource, name: string, why: string) =>
  new StatusError(
    409,
    'Conflict',
    `Operation cannot be fulfilled on ${qualified(r)} ${quote(name)}: ${why}`,
    detail(r, name),
  );
export const modified = (r: GroupResource, name: string) =>
  conflict(r, name, 'the object has been modified; please apply your changes to the latest version and try again');
export const forbidden = (r: GroupResource, name: string, why: string) =>
  new StatusError(
    403,
    'Forbidden',
    !r.resource ? `forbidden: ${why}` : `${qualified(r)} ${name ? `${quote(name)} ` : ''}is forbidden: ${why}`,
    detail(r, name),
  );
export const unauthorized = () => new StatusError(401, 'Unauthorized', 'Unauthorized');
export const badRequest = (message: string) => new StatusError(400, 'BadRequest', message);
export const methodNotAllowed = () =>
  new StatusError(405, 'MethodNotAllowed', 'the server does not allow this method on the requested resource', {});

export const methodNotSupported = (r: GroupResource, verb: string) =>
  new StatusError(
    405,
    'MethodNotAllowed',
    `${verb} is not supported on resources of kind "${qualified(r)}"`,
    detail(r, ''),
  );
export const expired = (message: string) => new StatusError(410, 'Expired', message);
export const resourceExpired = (asked: number | string, current: number | string) =>
  new StatusError(410, 'Expired', `too old resource version: ${asked} (${current})`);
export const tooManyRequests = (message: string, retryAfterSeconds = 1) =>
  new StatusError(429, 'TooManyRequests', message, { retryAfterSeconds });
export const internalError = (cause: unknown) => {
  const message = cause instanceof Error ? cause.message : String(cause);
  return new StatusError(
    500,
    'InternalError',
    `Internal error occurred: ${message}`,
    { causes: [{ message }] },
    { cause },
  );
};
export const unavailable = (message: string) => new StatusError(503, 'ServiceUnavailable', message);
export const timeout = (message: string, retryAfterSeconds = 0) =>
  new StatusError(504, 'Timeout', `Timeout: ${message}`, retryAfterSeconds ? { retryAfterSeconds } : {});
export const tooLargeResourceVersion = (asked: WholeNumber, current: number, retryAfterSeconds = 1) =>
  new StatusError(504, 'Timeout', `Timeout: Too large resource version: ${asked}, current: ${current}`, {
    causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
    ...(retryAfterSeconds ? { retryAfterSeconds } : {}),
  });
export const requestTooLarge = (message: string) =>
  new StatusError(413, 'RequestEntityTooLarge', `Request entity too large: ${message}`);
export const notAcceptable = (accepted: readonly string[]) =>
  new StatusError(406, 'NotAcceptable', `only the following media types are accepted: ${accepted.join(', ')}`);
export const unsupportedMediaType = (accepted: readonly string[]) =>
  new StatusError(
    415,
    'UnsupportedMediaType',
    `the body of the request was in an unknown format - accepted media types include: ${accepted.join(', ')}`,
  );
/** `kind` as `{ group: 'apps', resource: 'Deployment' }`. */
export const invalid = (
  kind: GroupResource,
  name: string,
  found: readonly (StatusCause & { readonly message: string })[],
) => {
  const causes = found.filter(cause => cause !== untold);
  // What is said twice is told once.
  const parts = [...new Set(causes.map(c => (c.field ? `${c.field}: ${c.message}` : c.message)))];
  const list = parts.length === 1 ? parts[0] : `[${parts.join(', ')}]`;
  return new StatusError(
    422,
    'Invalid',
    `${kind.resource}${kind.group ? `.${kind.group}` : ''} ${quote(name)} is invalid${parts.length ? `: ${list}` : ''}`,
    {
      ...(name ? { name } : {}),
      ...(kind.group ? { group: kind.group } : {}),
      ...(kind.resource ? { kind: kind.resource } : {}),
      ...(causes.length ? { causes } : {}),
    },
  );
};

const is =
  (reason: StatusReason) =>
  (error: unknown): error is StatusError =>
    error instanceof StatusError && error.reason === reason;
export const isNotFound = is('NotFound');
export const isAlreadyExists = is('AlreadyExists');
export const isConflict = is('Conflict');
export const isForbidden = is('Forbidden');
export const isInvalid = is('Invalid');
export const isUnauthorized = is('Unauthorized');
export const isExpired = (error: unknown): error is StatusError => error instanceof StatusError && error.code === 410;
