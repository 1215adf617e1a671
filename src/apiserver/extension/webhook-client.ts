// Requests to servers that extend this one: admission and conversion webhooks, by URL or by service.

import type { RequestOptions } from 'node:https';
import { isIP, isIPv6 } from 'node:net';
import { posix } from 'node:path';
import { StatusError } from '../../api/status.ts';
import type { WebhookClientConfig } from '../../api/type/admissionregistration-v1.ts';
import { type Dial, via } from '../../base/http/dial.ts';
import { trustingNamesake } from '../../base/http/namesake.ts';
import { dialError, keepingAgent, openRequest } from '../../base/http/upgrade-request.ts';
import type { ClusterAccess } from '../../client/kubeconfig.ts';
import type { ApiContext } from '../context.ts';
import { currentTrace, traceHeaders } from '../observe/trace.ts';
import { type Asked, type Destination, Misled, redirected } from './redirect.ts';
import { type Address, resolveService } from './service-endpoint.ts';
import { type Answer, isJson, parse, Refused, read, receive, succeeded, Unreadable } from './webhook-answer.ts';
import type { WebhookIdentity } from './webhook-identity.ts';

const largeBytes = 64 << 10;
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
  readonly #agent = keepingAgent({ maxFreeSockets: 16 });

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
      if (error instanceof Misled) throw error;
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
    const { clock, random, egress } = this.#options.context;
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
        const answer = await this.#send(await destinationOf(access, timeoutMs, egress.controlplane), text, timeoutMs);
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
    const { cluster, controlplane } = context.egress;
    const at = (address: Address, servername: string, url: string, path: string, through?: Dial): Destination => {
      const named = isIPv6(servername) ? `[${servername}]` : servername;
      return {
        target: {
          protocol: 'https:',
          ...dial(address),
          ...via(through),
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
      return at(found, `${name}.${namespace}.svc`, urlOf(config) + query, path || '/', cluster);
    }
    const url = new URL(config.url ?? '');
    const host = url.hostname.replace(/^\[|\]$/g, '');
    return at({ host, port: Number(url.port || 443) }, host, url.href + query, url.pathname, controlplane);
  }

  /** Again when the server asks for that, as long as there is time. */
  async #send(to: Destination, body: Buffer, timeoutMs: number): Promise<Answer> {
    const { clock } = this.#options.context;
    const controller = new AbortController();
    const timer = clock.after(timeoutMs, () => controller.abort());
    try {
      for (let tries = 0; ; tries++) {
        const answer = await this.#followed({ to, method: 'POST', body }, controller.signal);
        if (tries === mostRepeats || !mayComeAgain(answer)) return answer;
        await clock.sleep(Number(answer.retryAfter) * 1000, controller.signal);
      }
    } catch (error) {
      if (controller.signal.aborted) throw new Error('context deadline exceeded');
      if (error instanceof Refused || error instanceof Misled) throw error;
      this.#options.context.counts.refusedPeer('webhooks', error);
      throw new Error(dialError(to.target, error), { cause: error });
    } finally {
      timer.cancel();
    }
  }

  /** Goes on to where redirects lead, as Go's client does. */
  async #followed(asked: Asked, signal: AbortSignal): Promise<Answer> {
    const { context, dial = (a: Address) => a } = this.#options;
    for (let at = asked, hops = 1; ; hops++) {
      const answer = await this.#measured(at, signal).catch(error => {
        if (at === asked || signal.aborted || error instanceof Refused) throw error;
        throw new Misled(at, dialError(at.to.target, error));
      });
      // Read beside the loop.
      if (answer.body.length > largeBytes && !isJson(answer.body)) await context.yaml.ahead(answer.body);
      const next = redirected(at, answer, hops, dial);
      if (!next) return answer;
      at = next;
    }
  }

  async #measured({ to, method, body }: Asked, signal: AbortSignal): Promise<Answer> {
    const { clock, counts } = this.#options.context;
    const startMs = clock.monotonic();
    let code = 0;
    let receivedBytes = 0;
    try {
      const answered = await this.#once({ to, method, body }, signal).catch(async error => {
        // The server closed a kept connection just then.
        if (error.reused && !signal.aborted) return this.#once({ to, method, body }, signal);
        const target = await trustingNamesake(to.target, error, { nowMs: clock.now(), signal });
        if (!target) throw error;
        return this.#once({ to: { ...to, target }, method, body }, signal);
      });
      code = answered.code;
      receivedBytes = answered.body.length;
      return answered;
    } finally {
      const endMs = clock.monotonic();
      const seconds = (endMs - startMs) / 1000;
      const sentBytes = body?.length ?? 0;
      counts.clients.done({ host: to.host, method, code, seconds, sentBytes, receivedBytes });
      currentTrace()?.step('call webhook', startMs, endMs, { host: to.host, path: to.path });
    }
  }

  #once({ to, method, body }: Asked, signal: AbortSignal): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const options: RequestOptions = {
        method,
        path: to.path,
        headers: {
          host: to.host,
          ...(body ? { 'content-type': 'application/json', 'content-length': body.length } : {}),
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
      request.once('response', response => receive(response, request).then(resolve, reject));
      request.end(body);
    });
  }
}

const mostRepeats = 10;

const mayComeAgain = ({ code, retryAfter }: Answer): boolean =>
  (code === 429 || code >= 500) && /^[0-9]{1,9}$/.test(retryAfter);

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

async function destinationOf(
  access: ClusterAccess,
  timeoutMs: number,
  through: Dial | undefined,
): Promise<Destination> {
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
      ...via(through),
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
  error instanceof Misled
    ? error
    : new Error(`Post ${JSON.stringify(postUrl(access, timeoutMs).href)}: ${error.message}`, { cause: error });

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
