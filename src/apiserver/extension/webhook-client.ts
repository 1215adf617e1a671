// Requests to servers that extend this one: admission and conversion webhooks, by URL or by service.

import type { IncomingMessage } from 'node:http';
import { Agent, type RequestOptions } from 'node:https';
import { isIP, isIPv6 } from 'node:net';
import { posix } from 'node:path';
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { parseJson } from '../../api/decode.ts';
import { StatusError } from '../../api/status.ts';
import type { WebhookClientConfig } from '../../api/type/admissionregistration-v1.ts';
import { dialError, type HttpTarget, openRequest } from '../../base/http/upgrade-request.ts';
import { quote } from '../../base/quote.ts';
import type { ClusterAccess } from '../../client/kubeconfig.ts';
import { noTypeMeta } from '../body-format.ts';
import type { ApiContext } from '../context.ts';
import { currentTrace, traceHeaders } from '../observe/trace.ts';
import { type Address, resolveService } from './service-endpoint.ts';
import type { WebhookIdentity } from './webhook-identity.ts';

const maxAnswerBytes = 16 << 20;

/** The parts of a webhook's address. */
interface Destination {
  readonly target: HttpTarget;
  /** As error messages name it. */
  readonly url: string;
  readonly path: string;
  readonly host: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const firstRetryMs = 500;
const retryFactor = 1.5;
const retryJitter = 0.2;
const mostAttempts = 5;

export interface WebhookClientOptions {
  readonly context: ApiContext;
  /** Where a connection really goes; tests put servers on loopback. */
  readonly dial?: ((address: Address) => Address) | undefined;
  readonly userAgent: string;
  /** Who this server is to those it does not reach by a kubeconfig. */
  readonly identity?: WebhookIdentity | undefined;
}

/** Connections are kept and shared by all webhooks of one address and authority. */
export class WebhookClient {
  readonly #options: WebhookClientOptions;
  readonly #agent = new Agent({ keepAlive: true, maxFreeSockets: 16 });

  constructor(options: WebhookClientOptions) {
    this.#options = options;
    options.context.onShutdown.add(() => this.#agent.destroy());
  }

  /** Posts JSON and gives the JSON of the answer. Throws errors worded as Go's HTTP client words them. */
  async post(config: WebhookClientConfig, body: unknown, timeoutMs: number): Promise<unknown> {
    const text = Buffer.from(JSON.stringify(body));
    const query = `?timeout=${timeoutMs / 1000}s`;
    let url = '';
    try {
      url = urlOf(config) + query;
      return read(await this.#send(await this.#identified(this.#locate(config, query)), text, timeoutMs));
    } catch (error) {
      if (error instanceof Refused) throw error.status;
      throw new Error(`Post ${JSON.stringify(url)}: ${(error as Error).message}`, { cause: error });
    }
  }

  /** The same to where a kubeconfig leads, with its credentials; again for a while when the server has trouble, first after `retryMs`. */
  postTo(access: ClusterAccess, body: unknown, timeoutMs: number, retryMs = firstRetryMs): Promise<unknown> {
    return this.#insist(access, body, timeoutMs, retryMs, parse);
  }

  /** The same, whatever the server answers, again whatever is wrong; `retryMs`: the wait before the second attempt. */
  deliver(access: ClusterAccess, body: unknown, timeoutMs: number, retryMs: number): Promise<void> {
    const read = () => {};
    return this.#insist(access, body, timeoutMs, retryMs, read, () => true);
  }

  async #insist<T>(
    access: ClusterAccess,
    body: unknown,
    timeoutMs: number,
    retryMs: number,
    read: (answer: Answer) => T,
    helps: (error: Error) => boolean = mayHelp,
  ): Promise<T> {
    const { clock, random } = this.#options.context;
    const text = Buffer.from(JSON.stringify(body));
    // Asking again does not make a bad answer better.
    const readOnce = (answer: Answer): T => {
      try {
        return read(answer);
      } catch (error) {
        throw error instanceof Refused ? new Unreadable(error) : error;
      }
    };
    for (let attempt = 1, waitMs = retryMs; ; attempt++, waitMs *= retryFactor) {
      try {
        const answer = await this.#send(await destinationOf(access, timeoutMs), text, timeoutMs);
        succeeded(answer);
        return readOnce(answer);
      } catch (error) {
        if (error instanceof Unreadable) throw error.refused.status;
        const said = error instanceof Refused ? error.status : asPostError(access, error as Error, timeoutMs);
        if (attempt === mostAttempts || !helps(said)) throw said;
      }
      await clock.sleep(waitMs * (1 + retryJitter * random.next()));
    }
  }

  async #identified(to: Destination): Promise<Destination> {
    const access = this.#options.identity?.(/:\d+$/.test(to.host) ? to.host : `${to.host}:443`);
    if (!access) return to;
    const { cert, key } = access.tls?.() ?? access;
    const authorization = await authorizationOf(access);
    return {
      ...to,
      target: { ...to.target, tls: { ...to.target.tls, ...(cert && key ? { cert, key } : {}) } },
      ...(authorization ? { headers: { authorization } } : {}),
    };
  }

  #locate(config: WebhookClientConfig, query: string): Destination {
    const { context, dial = (a: Address) => a } = this.#options;
    const ca = config.caBundle ? { ca: Buffer.from(config.caBundle, 'base64').toString() } : {};
    const at = (address: Address, servername: string, url: string, path: string): Destination => {
      const named = isIPv6(servername) ? `[${servername}]` : servername;
      return {
        target: {
          protocol: 'https:',
          ...dial(address),
          tls: { ...ca, ...(isIP(servername) ? {} : { servername }) },
        },
        url,
        path: cleanPath(path) + query,
        host: address.port === 443 ? named : `${named}:${address.port}`,
      };
    };
    if (config.service) {
      const { namespace, name, port = 443, path = '/' } = config.service;
      const found = resolveService(context, { namespace, name, port });
      return at(found, `${name}.${namespace}.svc`, urlOf(config), path || '/');
    }
    const url = new URL(config.url ?? '');
    const host = url.hostname.replace(/^\[|\]$/g, '');
    return at({ host, port: Number(url.port || 443) }, host, url.href, url.pathname);
  }

  /** Again when the server asks for that, as long as there is time. */
  async #send(to: Destination, body: Buffer, timeoutMs: number): Promise<Answer> {
    const { clock } = this.#options.context;
    const controller = new AbortController();
    const timer = clock.after(timeoutMs, () => controller.abort());
    try {
      for (let tries = 0; ; tries++) {
        const answer = await this.#measured(to, body, controller.signal);
        if (tries === mostRepeats || !mayComeAgain(answer)) return answer;
        await clock.sleep(Number(answer.retryAfter) * 1000, controller.signal);
      }
    } catch (error) {
      if (controller.signal.aborted) throw new Error('context deadline exceeded');
      if (error instanceof Refused) throw error;
      this.#options.context.counts.refusedPeer('webhooks', error);
      throw new Error(dialError(to.target, error), { cause: error });
    } finally {
      timer.cancel();
    }
  }

  async #measured(to: Destination, body: Buffer, signal: AbortSignal): Promise<Answer> {
    const { clock, counts } = this.#options.context;
    const startMs = clock.monotonic();
    let code = 0;
    let receivedBytes = 0;
    try {
      const answered = await this.#once(to, body, signal).catch(error => {
        // The server closed a kept connection just then.
        if (error.reused && !signal.aborted) return this.#once(to, body, signal);
        throw error;
      });
      code = answered.code;
      receivedBytes = answered.body.length;
      return answered;
    } finally {
      const endMs = clock.monotonic();
      const seconds = (endMs - startMs) / 1000;
      counts.clients.done({ host: to.host, method: 'POST', code, seconds, sentBytes: body.length, receivedBytes });
      currentTrace()?.step('call webhook', startMs, endMs, { host: to.host, path: to.path });
    }
  }

  #once(to: Destination, body: Buffer, signal: AbortSignal): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const options: RequestOptions = {
        method: 'POST',
        path: to.path,
        headers: {
          host: to.host,
          'content-type': 'application/json',
          'content-length': body.length,
          accept: 'application/json, */*',
          'accept-encoding': 'gzip',
          'user-agent': this.#options.userAgent,
          ...traceHeaders(),
          ...to.headers,
        },
        ...(to.target.protocol === 'https:' ? { agent: this.#agent } : {}),
        signal,
      };
      const request = openRequest(to.target, options);
      request.on('error', error => {
        const early = request.reusedSocket && ['ECONNRESET', 'EPIPE'].includes((error as NodeJS.ErrnoException).code!);
        reject(Object.assign(error, { reused: early }));
      });
      request.once('response', response => receive(response).then(resolve, reject));
      request.end(body);
    });
  }
}

interface Answer {
  readonly code: number;
  readonly type: string;
  /** The header's value. */
  readonly retryAfter: string;
  readonly body: Buffer;
}

const mostRepeats = 10;

const mayComeAgain = ({ code, retryAfter }: Answer): boolean =>
  (code === 429 || code >= 500) && /^[0-9]{1,9}$/.test(retryAfter);

async function receive(response: IncomingMessage): Promise<Answer> {
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
  if (size > maxAnswerBytes) throw new Error('http: response body too large');
  const { 'content-type': type = '', 'retry-after': retryAfter = '' } = headers;
  return { code, type, retryAfter, body: Buffer.concat(chunks) };
}

function postUrl({ server }: ClusterAccess, timeoutMs: number): URL {
  const url = new URL(server);
  url.searchParams.set('timeout', `${timeoutMs / 1000}s`);
  return url;
}

async function authorizationOf({ token, basic }: ClusterAccess): Promise<string | undefined> {
  const secret = typeof token === 'function' ? await token() : token;
  if (secret) return `Bearer ${secret}`;
  return basic && `Basic ${Buffer.from(`${basic.username}:${basic.password}`).toString('base64')}`;
}

async function destinationOf(access: ClusterAccess, timeoutMs: number): Promise<Destination> {
  const { serverName, insecureSkipTlsVerify } = access;
  const { ca, cert, key } = access.tls?.() ?? access;
  const url = postUrl(access, timeoutMs);
  const authorization = await authorizationOf(access);
  const secure = url.protocol === 'https:';
  const host = url.hostname.replace(/^\[|\]$/g, '');
  return {
    target: {
      protocol: secure ? 'https:' : 'http:',
      host,
      port: Number(url.port || (secure ? 443 : 80)),
      ...(secure
        ? {
            tls: {
              ...(ca ? { ca } : {}),
              ...(cert && key ? { cert, key } : {}),
              ...(insecureSkipTlsVerify ? { rejectUnauthorized: false } : {}),
              ...(serverName || !isIP(host) ? { servername: serverName || host } : {}),
            },
          }
        : {}),
    },
    url: url.href,
    path: url.pathname + url.search,
    host: url.host,
    ...(authorization ? { headers: { authorization } } : {}),
  };
}

const asPostError = (access: ClusterAccess, error: Error, timeoutMs: number): Error =>
  new Error(`Post ${JSON.stringify(postUrl(access, timeoutMs).href)}: ${error.message}`, { cause: error });

/** Trouble that passes: a connection that broke, a server that says it is busy. */
function mayHelp(error: Error): boolean {
  if (!(error instanceof StatusError)) return /connection reset|EOF/.test(error.message);
  const { code, reason } = error;
  return reason === 'InternalError' || reason === 'Timeout' || code === 429;
}

/** As Go's client joins paths: no empty part, no slash at the end. */
const cleanPath = (path: string): string => posix.normalize(`/${path}`).replace(/(?<=.)\/$/, '');

function urlOf({ service, url = '' }: WebhookClientConfig): string {
  if (!service) return url.replace(/^(https:\/\/[^/]*)(.*)$/, (_, origin, path) => origin + cleanPath(path));
  const { namespace, name, port = 443, path } = service;
  return `https://${name}.${namespace}.svc:${port}${cleanPath(path ?? '')}`;
}

/** Not to be worded as a failure of the connection. */
class Refused extends Error {
  readonly status: StatusError;
  constructor(status: StatusError) {
    super(status.message);
    this.status = status;
  }
}

/** An answer that was given and cannot be understood. */
class Unreadable extends Error {
  readonly refused: Refused;
  constructor(refused: Refused) {
    super(refused.message);
    this.refused = refused;
  }
}

const unread = (message: string, cause?: unknown) =>
  new Refused(new StatusError(500, 'InternalError', message, {}, { cause }));

/** Throws for an answer that is no success. */
function succeeded(answer: Answer): void {
  if (answer.code < 200 || answer.code > 206) throw refused(answer);
}

function read(answer: Answer): unknown {
  succeeded(answer);
  return parse(answer);
}

function parse({ code, type, body }: Answer): unknown {
  if (body.length === 0)
    throw unread(`0-length response with status code: ${code} and content type: ${type || 'application/json'}`);
  try {
    return parseJson(body).value;
  } catch (error) {
    // What is no object is none in YAML, too, which Go tries.
    const text = body.toString().trim();
    throw unread(/^[\w-]+$/.test(text) ? noTypeMeta(text) : (error as Error).message, error);
  }
}

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
