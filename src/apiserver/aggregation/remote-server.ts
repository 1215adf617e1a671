// Requests to an aggregated API server: through its service, as the front proxy.

import { X509Certificate } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { APIService } from '../../api/type/apiregistration-v1.ts';
import { via } from '../../base/http/dial.ts';
import {
  authorityOf,
  dialError,
  type HeaderList,
  type HttpTarget,
  keepingAgent,
  urlOf,
} from '../../base/http/upgrade-request.ts';
import type { UserInfo } from '../authn/user.ts';
import type { ApiContext } from '../context.ts';
import { type Address, resolveService } from '../extension/service-endpoint.ts';
import type { ApiServerOptions } from '../server-options.ts';
import { closeIdle, requestBackend } from '../stream/backend.ts';
import { identityHeaders } from './kernel/identity-header.ts';

const probeMs = 5000;
const maxDocumentBytes = 64 << 20;

/** Where a request goes, and what its errors and Host header call that. */
export interface Location {
  readonly target: HttpTarget;
  /** The endpoint, however it is reached. */
  readonly endpoint: HttpTarget;
  readonly authority: string;
}

export interface RemoteDocument {
  readonly contentType: string;
  readonly content: unknown;
}

export class RemoteServers {
  readonly #context: ApiContext;
  readonly #options: Pick<ApiServerOptions, 'dialExtension'>;
  readonly agent = keepingAgent({ maxFreeSockets: 64 });

  constructor(context: ApiContext, options: Pick<ApiServerOptions, 'dialExtension'>) {
    this.#context = context;
    this.#options = options;
    context.onShutdown.add(() => this.agent.destroy());
    context.certificates.onChange(() => closeIdle(this.agent));
  }

  /** Throws StatusError when the service has no endpoint. */
  locate({ spec }: APIService): Location {
    const { namespace = '', name = '', port = 443 } = spec.service ?? {};
    const address = resolveService(this.#context, { namespace, name, port });
    const { dialExtension: dial = (a: Address) => a } = this.#options;
    const tls = {
      servername: `${name}.${namespace}.svc`,
      ...(spec.insecureSkipTLSVerify ? { rejectUnauthorized: false } : {}),
      ...(spec.caBundle ? { ca: Buffer.from(spec.caBundle, 'base64').toString() } : {}),
      ...this.#context.certificates.current.frontProxyClient,
    };
    const { egress } = this.#context;
    const endpoint: HttpTarget = { protocol: 'https:', ...address };
    return {
      target: { protocol: 'https:', ...dial(address), ...via(egress.cluster), tls },
      endpoint,
      authority: authorityOf(endpoint),
    };
  }

  /** A document of the server's, as JSON. Rejects with the words of Kubernetes' availability check. */
  async read(service: APIService, path: string, accept: string, user: UserInfo): Promise<unknown> {
    return (await this.readTyped(service, path, accept, user)).content;
  }

  async readTyped(service: APIService, path: string, accept: string, user: UserInfo): Promise<RemoteDocument> {
    return this.#ask(service, path, { accept, ...identityHeaders(user) }, async answer => ({
      contentType: answer.headers['content-type'] ?? '',
      content: JSON.parse(await textOf(answer)),
    }));
  }

  /** Asks several endpoints at once: one good answer is enough, whatever it says. */
  async probe(service: APIService, path: string, user: UserInfo, attempts = 5): Promise<void> {
    const asked = Array.from({ length: attempts }, () =>
      this.#ask(service, path, identityHeaders(user), answer => {
        answer.on('error', () => {});
        answer.resume();
      }),
    );
    try {
      await Promise.any(asked);
    } catch (error) {
      const last = (error as AggregateError).errors.at(-1);
      if (!(last instanceof NoAnswer)) throw last;
      throw new Error(`failing or missing response from ${last.url}: ${last.message}`, { cause: error });
    }
  }

  async #ask<T>(
    service: APIService,
    path: string,
    headers: HeaderList,
    take: (answer: IncomingMessage) => T | Promise<T>,
  ): Promise<T> {
    const { target, endpoint, authority } = this.locate(service);
    const url = urlOf(endpoint, path);
    const controller = new AbortController();
    const timer = this.#context.clock.after(probeMs, () => controller.abort());
    let connected = false;
    try {
      const answer = await requestBackend(target, {
        method: 'GET',
        path,
        headers: { ...headers, host: authority, 'user-agent': 'kube-aggregator' },
        agent: this.agent,
        signal: controller.signal,
        clock: this.#context.clock,
        onConnected: () => {
          connected = true;
        },
      });
      const code = answer.statusCode ?? 0;
      if (code >= 200 && code < 300) return await take(answer);
      answer.resume();
      throw new BadStatus(url, code);
    } catch (error) {
      if (error instanceof BadStatus) throw error;
      this.#context.counts.refusedPeer('kube_aggregator', error);
      const why = controller.signal.aborted ? timedOut(connected) : dialError(endpoint, error);
      throw new NoAnswer(url, `Get ${JSON.stringify(url)}: ${why}`, { cause: error });
    } finally {
      timer.cancel();
    }
  }
}

const pemBlock = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

const trustable = new WeakMap<APIService, boolean>();

/** No authority is named, or one that certificates can be checked with. */
export const isTrustable = (service: APIService): boolean =>
  trustable.getOrInsertComputed(service, ({ spec }) => !spec.caBundle || holdsCertificate(spec.caBundle));

function holdsCertificate(caBundle: string): boolean {
  const blocks = Buffer.from(caBundle, 'base64').toString('latin1').match(pemBlock) ?? [];
  return blocks.some(isCertificate);
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).subject !== undefined;
  } catch {
    return false;
  }
}

const timedOut = (connected: boolean): string =>
  `${connected ? 'context deadline exceeded' : 'net/http: request canceled while waiting for connection'} (Client.Timeout exceeded while awaiting headers)`;

/** Its message is that of Kubernetes' availability check. */
class NoAnswer extends Error {
  readonly url: string;
  constructor(url: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.url = url;
  }
}

export class BadStatus extends NoAnswer {
  readonly code: number;
  constructor(url: string, code: number) {
    super(url, `bad status from ${url}: ${code}`);
    this.code = code;
  }
}

export async function textOf(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of answer) {
    size += (chunk as Buffer).length;
    if (size > maxDocumentBytes) throw new Error('http: response body too large');
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString();
}
