// Answers other than success as StatusErrors, also those whose body is no Status.
import { genericStatus } from '../api/generic-status.ts';
import { StatusError, type StatusReason } from '../api/status.ts';
import type { Status } from '../api/type/meta-v1.ts';

/** What was asked, for messages: `get pods web-0`. */
export interface Asked {
  readonly verb: string;
  readonly group?: string;
  readonly resource?: string;
  readonly name?: string;
}

const generic: typeof genericStatus = {
  ...genericStatus,
  400: ['BadRequest', 'the server rejected our request for an unknown reason'],
  403: ['Forbidden', 'forbidden'],
  406: ['NotAcceptable', 'the server was unable to respond with a content type that the client supports'],
  410: ['Gone', 'the server could not find the requested resource'],
  413: ['RequestEntityTooLarge', 'the request is too large'],
  415: ['UnsupportedMediaType', 'the body of the request was in an unknown format'],
};

export function isStatus(value: unknown): value is Status {
  return typeof value === 'object' && value !== null && (value as Status).kind === 'Status';
}

/** `retryAfterSeconds` from the response's header, where it has one. */
export function errorFromResponse(code: number, body: string, asked: Asked, retryAfterSeconds?: number): StatusError {
  const status = parseStatus(body);
  if (status) {
    const seconds = status.details?.retryAfterSeconds || retryAfterSeconds;
    const details = seconds ? { details: { ...status.details, retryAfterSeconds: seconds } } : {};
    return StatusError.from({ ...status, code: status.code ?? code, ...details });
  }
  const [reason, text] = generic[code] ?? (code >= 500 ? serverError(body) : (['', `unknown (${code})`] as const));
  const message = code === 403 && body ? body.trim() : text;
  const subject = [asked.verb, asked.group ? `${asked.resource}.${asked.group}` : asked.resource, asked.name];
  const causes = body ? [{ reason: 'UnexpectedServerResponse', message: body.trim().slice(0, 2048) }] : undefined;
  return new StatusError(
    code,
    code === 409 && asked.verb === 'post' ? 'AlreadyExists' : reason,
    `${message} (${subject.filter(Boolean).join(' ')})`,
    {
      ...(asked.name ? { name: asked.name } : {}),
      ...(asked.group ? { group: asked.group } : {}),
      ...(asked.resource ? { kind: asked.resource } : {}),
      ...(causes ? { causes } : {}),
      ...(retryAfterSeconds ? { retryAfterSeconds } : {}),
    },
  );
}

function serverError(body: string): readonly [StatusReason, string] {
  const said = JSON.stringify(body.trim().slice(0, 2048));
  return ['InternalError', `an error on the server (${said}) has prevented the request from succeeding`];
}

function parseStatus(body: string): Status | undefined {
  if (!body.startsWith('{')) return undefined;
  try {
    const value: unknown = JSON.parse(body);
    return isStatus(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Seconds from a Retry-After header; 0 without one. */
export function retryAfter(header: string | undefined): number {
  const seconds = Number(header);
  return Number.isFinite(seconds) && seconds > 0 ? seconds : 0;
}
