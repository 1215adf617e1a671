// Requests to kubelets and proxied servers, and what becomes of their failures.
import type { Agent, ClientRequest, IncomingMessage } from 'node:http';
import { genericStatus } from '../../api/generic-status.ts';
import { internalError, StatusError } from '../../api/status.ts';
import type { Clock } from '../../base/clock.ts';
import { dialError, type HeaderList, type HttpTarget, openRequest } from '../../base/http/upgrade-request.ts';
import type { Exchange } from '../http/exchange.ts';

export interface BackendRequest {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly headers: HeaderList;
  readonly agent?: Agent;
  /** Sends the exchange's body. */
  readonly body?: Exchange['input'];
  readonly signal: AbortSignal;
  readonly clock: Clock;
  /** How long the head of the answer may take; default: as long as it likes. */
  readonly headMs?: number;
  /** The connection stands, its TLS included. */
  onConnected?(): void;
}

const connectMs = 30_000;
const handshakeMs = 10_000;
/** Go's clients take as much. */
const maxHeadBytes = 10 << 20;

/** Resolves with the head of the answer. Rejects with Node's error. */
export function requestBackend(target: HttpTarget, options: BackendRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request = openRequest(target, {
      method: options.method,
      path: options.path,
      headers: options.headers as Record<string, string>,
      agent: options.agent ?? false,
      signal: options.signal,
      maxHeaderSize: maxHeadBytes,
    });
    limitConnecting(request, target, options.clock);
    if (options.onConnected) tellConnected(request, target, options.onConnected);
    const timer =
      options.headMs &&
      options.clock.after(options.headMs, () =>
        request.destroy(new Error('net/http: timeout awaiting response headers')),
      );
    const settled = () => void (timer ? timer.cancel() : undefined);
    request.once('response', settled).once('close', settled);
    request.once('response', resolve);
    request.on('error', reject);
    if (options.body) options.body.pipe(request);
    else request.end();
  });
}

function tellConnected(request: ClientRequest, target: HttpTarget, tell: () => void): void {
  request.once('socket', socket => {
    if (request.reusedSocket) tell();
    else socket.once(target.protocol === 'https:' ? 'secureConnect' : 'connect', tell);
  });
}

function limitConnecting(request: ClientRequest, target: HttpTarget, clock: Clock): void {
  request.once('socket', socket => {
    // One that was kept from an earlier request.
    if (!socket.connecting) return;
    let timer = clock.after(connectMs, () =>
      request.destroy(Object.assign(new Error('i/o timeout'), { code: 'ETIMEDOUT' })),
    );
    socket.once('connect', () => {
      timer.cancel();
      if (target.protocol === 'https:')
        timer = clock.after(handshakeMs, () => request.destroy(new Error('net/http: TLS handshake timeout')));
    });
    socket.once('secureConnect', () => timer.cancel());
    socket.once('close', () => timer.cancel());
  });
}

/** Connections that wait for a request were made with certificates of before. */
export function closeIdle({ freeSockets }: Agent): void {
  for (const socket of Object.values(freeSockets).flat()) socket?.destroy();
}

/** An error that no Status fits: only a message. */
export const plainError = (message: string, code = 500) => new StatusError(code, '', message);

export const dialFailure = (target: HttpTarget, error: unknown) =>
  plainError(`error dialing backend: ${dialError(target, error)}`);

const maxErrorBytes = 50_000;

/** The text of an answer that went wrong. */
export async function errorText(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response) {
    chunks.push(chunk as Buffer);
    size += (chunk as Buffer).length;
    if (size >= maxErrorBytes) break;
  }
  return Buffer.concat(chunks).subarray(0, maxErrorBytes).toString();
}

/** What a server behind refused in plain text, as a Status about `resource` (`pods/log`). */
export function refusal(code: number, text: string, resource: string, name: string): StatusError {
  if (code === 500) return internalError(new Error(text));
  if (code === 400) return new StatusError(400, 'BadRequest', text);
  const [reason, message] =
    code === 403
      ? (['Forbidden', text] as const)
      : (genericStatus[code] ??
        (code >= 500
          ? ([
              'InternalError',
              `an error on the server (${JSON.stringify(text)}) has prevented the request from succeeding`,
            ] as const)
          : (['', `the server responded with the status code ${code} but did not return more information`] as const)));
  return new StatusError(code, reason, `${message} ( ${resource} ${name})`, { name, kind: resource });
}
