// What webhooks answer, as Kubernetes' client reads it.
import type { ClientRequest, IncomingMessage } from 'node:http';
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { parseJson, parseYaml } from '../../api/decode.ts';
import { isPlain } from '../../api/patch/plain.ts';
import { internalError, StatusError } from '../../api/status.ts';
import { quote } from '../../base/quote.ts';
import { noTypeMeta } from '../body-format.ts';
import { mediaTypeFault } from '../media-type.ts';

const maxAnswerBytes = 64 << 20;

export interface Answer {
  readonly code: number;
  readonly type: string;
  /** The header's value. */
  readonly retryAfter: string;
  /** The header's value: where a redirect leads. */
  readonly location: string;
  readonly body: Buffer;
}

export async function receive(response: IncomingMessage, request: ClientRequest): Promise<Answer> {
  const { statusCode: code = 0, headers } = response;
  const zipped = headers['content-encoding'] === 'gzip';
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of zipped ? pipeline(response, createGunzip(), () => {}) : response) {
      size += (chunk as Buffer).length;
      if (size > maxAnswerBytes) break;
      chunks.push(chunk as Buffer);
    }
  } catch {
    throw unread('unexpected error when reading response body. Please retry. Original error: unexpected EOF');
  }
  if (size > maxAnswerBytes) {
    request.destroy();
    throw unread('http: response body too large');
  }
  const { 'content-type': type = '', 'retry-after': retryAfter = '', location = '' } = headers;
  return { code, type, retryAfter, location, body: Buffer.concat(chunks) };
}

/** Not to be worded as a failure of the connection. */
export class Refused extends Error {
  readonly status: StatusError;
  constructor(status: StatusError) {
    super(status.message);
    this.status = status;
  }
}

/** An answer that was given and cannot be understood. */
export class Unreadable extends Error {
  readonly refused: Refused;
  constructor(refused: Refused) {
    super(refused.message);
    this.refused = refused;
  }
}

const unread = (message: string, cause?: unknown) =>
  new Refused(new StatusError(500, 'InternalError', message, {}, { cause }));

/** Throws for an answer that is no success, or does not say what it is in. */
export function succeeded(answer: Answer): void {
  const fault = answer.type ? mediaTypeFault(answer.type) : undefined;
  if (fault !== undefined) throw new Refused(internalError(fault));
  if (answer.code < 200 || answer.code > 206) throw refused(answer);
}

export function read(answer: Answer): unknown {
  succeeded(answer);
  return parse(answer);
}

export function parse({ code, type, body }: Answer): unknown {
  if (body.length === 0)
    throw unread(`0-length response with status code: ${code} and content type: ${type || 'application/json'}`);
  let value: unknown;
  try {
    // Whatever it calls itself, what does not begin as JSON is YAML.
    value = isJson(body) ? parseJson(body).value : parseYaml(body).value;
  } catch (error) {
    throw unread((error as Error).message.replace(yamlError, ''), error);
  }
  if (value !== null && !isPlain(value)) throw unread(noTypeMeta(value));
  return value;
}

/** As a body of a request is refused. */
const yamlError = 'error decoding YAML: error converting YAML to JSON: ';

/** To be read as YAML otherwise. */
export const isJson = (body: Buffer): boolean => /^\s*\{/.test(body.toString('latin1', 0, 256));

const words: Readonly<Record<number, string>> = {
  400: 'the server rejected our request for an unknown reason',
  401: 'the server has asked for the client to provide credentials',
  404: 'the server could not find the requested resource',
  405: 'the server does not allow this method on the requested resource',
  409: 'the server reported a conflict',
  422: 'the server rejected our request due to an error in our request',
  429: 'the server has received too many requests and has asked us to try again later',
  503: 'the server is currently unable to handle the request',
  504: 'the server was unable to return a response in the time allotted, but may still be processing the request',
};
/** Where a client passes on what the server says. */
const passedOn = new Set([403, 406, 415]);

/** What a client makes of an answer that is no success. */
function refused({ code, type, body }: Answer): Refused {
  const text = body.toString();
  try {
    const status = JSON.parse(text) as { kind?: string; message?: string };
    if (status.kind === 'Status' && status.message) return new Refused(StatusError.from(status as never));
  } catch {
    // Not a Status.
  }
  // Only what calls itself text is shown.
  const said = type === '' || type.startsWith('text/') ? text.trim() : 'unknown';
  const reason = code === 504 ? 'Timeout' : code >= 500 && code !== 503 ? 'InternalError' : '';
  return new Refused(new StatusError(code, reason, wordsOf(code, said)));
}

function wordsOf(code: number, said: string): string {
  if (passedOn.has(code)) return said;
  const known = words[code];
  if (known) return known;
  return code >= 500
    ? `an error on the server (${quote(said)}) has prevented the request from succeeding`
    : `the server responded with the status code ${code} but did not return more information`;
}
